"""From a trained network to files that run without torch, and the proof that they answer alike."""

from nayan.export.bundle import ExportReport, export_bundle, save_bundle

__all__ = ["ExportReport", "export_bundle", "save_bundle"]
