"""What a deployed program runs: preprocessing, bundles, backends, predictions. Torch-free."""
