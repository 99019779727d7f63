"""The verbs that turn pictures into vectors, keep those, and find what is alike."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nayan.api.common import Place, needs_training, open_predictor
from nayan.core.errors import DataError, NayanError
from nayan.core.types import Sample

if TYPE_CHECKING:
    from nayan.core.types import Image
    from nayan.runtime.bundle import Bundle
    from nayan.runtime.index import Hit
    from nayan.tasks.embedding.search.embedders import Embedder
    from nayan.tasks.embedding.search.filling import Filled
    from nayan.tasks.embedding.search.vectors import Embedded, OnProgress

_PROVEN_ON = 4  # pictures on which a made embedder has to answer as torch does,
_SMALL = (256, 256)  # decoded no smaller than that


def embed(
    model: Place,
    sources: Place | Sequence[Place],
    *,
    weights: Place | None = None,
    pooling: str | None = None,
    imgsz: int | None = None,
    batch: int | None = None,
    backend: str = "auto",
    stdin: Iterable[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Embedded:
    """Return pictures as vectors of length 1; what is alike lies near.

    Args:
        model: a run folder or a bundle of an embedder or a classifier, or the name of a published backbone.
            An embedder needs no torch; of a classifier or backbone what its last layer sees is taken.
        sources: files, folders, patterns, or "-" for the paths in `stdin`.
        weights: of a name: "imagenet" (None is the same) or a .safetensors file.
        pooling: of a classifier or name: "gap" (None is the same) as its last layer sees it, "gem" or
            "flatten" of its last map.
        imgsz: of a name: side of the input in pixels.
        batch: pictures at once; None for as many as are quickest without much memory.
        backend: as for `load`.
        stdin: lines with one path each.
        on_progress: called with (pictures done, pictures in all).

    Returns:
        `sources`, `vectors` (N, D) float32 and `failures`; `save(path)` writes .npz or .csv.

    Raises:
        ConfigError: if the model gives no vectors.
        DataError: if a source does not exist, or no picture can be read.
    """
    from nayan.data.pictures import find_pictures
    from nayan.tasks.embedding.search.vectors import embed_samples

    found = embedder_of(model, weights, pooling=pooling, imgsz=imgsz)
    samples = find_pictures(_listed(sources), stdin)
    with as_bundle(found, samples) as bundle:
        predictor = open_predictor(bundle, backend, pictures=len(samples))
        return embed_samples(
            predictor, samples, fingerprint=found.fingerprint, batch=batch, on_progress=on_progress
        )


def index(
    model: Place,
    sources: Place | Sequence[Place],
    out: Place,
    *,
    metadata: Place | None = None,
    prune: bool = False,
    distance: Literal["cosine", "euclidean"] | None = None,
    weights: Place | None = None,
    pooling: str | None = None,
    imgsz: int | None = None,
    batch: int | None = None,
    backend: str = "auto",
    stdin: Iterable[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Filled:
    """Make an index of pictures, or bring it up to date: only new and changed ones are embedded.

    What was embedded stays when the job is cut off, and the next call goes on from there.

    Args:
        model: as for `embed`. An index keeps to the model that it was made with.
        sources: as for `embed`; pictures of the index that are not among them stay.
        out: the folder of the index, or `postgresql://HOST/DATABASE#NAME`, which keeps no model.
        metadata: a table with a column of files; the others become metadata to filter by. None leaves what
            is there as it is.
        prune: take pictures out whose files are gone.
        distance: how vectors are compared; None for "cosine", or as the index has it.
        weights: as for `embed`.
        pooling: as for `embed`.
        imgsz: as for `embed`.
        batch: as for `embed`.
        backend: as for `load`.
        stdin: lines with one path each.
        on_progress: called with (pictures appended, pictures to embed).

    Returns:
        How many pictures there are, how many were new, changed, gone, and what could not be read.

    Raises:
        DataError: if the index is of another model, a source does not exist, or the table fits no picture.
        ConfigError: if the model gives no vectors, or another process writes to the index.
    """
    from nayan.data.facts import read_facts
    from nayan.data.pictures import find_pictures
    from nayan.runtime.index import open_index
    from nayan.tasks.embedding.search.filling import Order, fill
    from nayan.tasks.embedding.search.homes import folder_of, prepare
    from nayan.tasks.embedding.search.names import settle_names

    found = embedder_of(model, weights, pooling=pooling, imgsz=imgsz)
    listed = _listed(sources)
    samples = find_pictures(listed, stdin)
    facts = None if metadata is None else read_facts(Path(metadata))
    bundle = prepare(out, found, lambda: as_bundle(found, samples), distance=distance)
    predictor = open_predictor(bundle, backend, pictures=len(samples))
    names, notes = settle_names(folder_of(out), listed, samples)
    order = Order(names, facts, prune=prune, batch=batch, on_progress=on_progress)
    with open_index(out, fingerprint=found.fingerprint, write=True) as opened:
        filled = fill(opened, predictor, samples, order=order)
    return replace(filled, notes=(*notes, *filled.notes))


def search(
    index: Place,
    queries: Place | Sequence[Place],
    *,
    k: int = 10,
    minus: Place | Sequence[Place] = (),
    where: str | None = None,
    diverse: float = 0.0,
    distinct: str | None = None,
    model: Place | None = None,
    backend: str = "auto",
    out: Place | None = None,
) -> list[Hit]:
    """Return what is like pictures, the nearest first.

    Args:
        index: a folder that `index` made, or `postgresql://HOST/DATABASE#NAME`.
        queries: pictures; of several the mean of what they are like.
        k: how many to return.
        minus: pictures to lead away from.
        where: conditions on metadata, such as 'category = "Fruit" and price < 10'.
        diverse: from 0, the nearest, to 1, the least like one another.
        distinct: a field of metadata, such as "product": each of its values is shown once.
        model: the embedder of an index in a database; a folder keeps its own.
        backend: as for `load`.
        out: a folder for `hits.json` and `hits.png`, a sheet to look at.

    Returns:
        Hits with `id`, `similarity`, `distance` and `metadata`; fewer than `k` where there are no more.

    Raises:
        DataError: if there is no index, it is of another model, or a picture cannot be read.
        ConfigError: if `where` or another option is impossible.
        NotFound: if `where` or `distinct` names a field that no picture has.
    """
    from nayan.data.pictures import find_pictures
    from nayan.runtime.index import combine, open_index
    from nayan.tasks.embedding.search.asking import find
    from nayan.tasks.embedding.search.embedders import fingerprint_of
    from nayan.tasks.embedding.search.homes import model_of, names_of
    from nayan.tasks.embedding.search.sheet import asked_band, save_hits
    from nayan.tasks.embedding.search.vectors import embed_all

    less = _listed(minus)
    plus, others = find_pictures(_listed(queries)), find_pictures(less) if less else []
    bundle = model_of(index, model)
    with open_index(index, fingerprint=fingerprint_of(bundle)) as opened:
        vectors = embed_all(open_predictor(bundle, backend), [*plus, *others])
        query = combine(vectors[: len(plus)], vectors[len(plus) :] if others else None)
        hits = find(opened, query, k=k, where=where, diverse=diverse, distinct=distinct)
    if out is not None:
        asked = asked_band(_files(plus), _files(others))
        save_hits(Path(out), asked, hits, names_of(index))
    return hits


def recommend(
    index: Place,
    items: str | Sequence[str],
    *,
    k: int = 10,
    where: str | None = None,
    diverse: float = 0.0,
    distinct: str | None = None,
    out: Place | None = None,
) -> list[Hit]:
    """Return what is like pictures of an index, without themselves; no model is needed for that.

    Args:
        index: as for `search`.
        items: names of pictures in the index, or their files; several are a basket.
        k: how many to return.
        where: as for `search`.
        diverse: as for `search`.
        distinct: a field of metadata, such as "product": each of its values is shown once, and those of the
            items never, so that a product recommends other products.
        out: as for `search`.

    Raises:
        NotFound: if an item is not in the index.
    """
    from nayan.runtime.index import open_index
    from nayan.tasks.embedding.search import asking
    from nayan.tasks.embedding.search.homes import names_of
    from nayan.tasks.embedding.search.sheet import asked_band, save_hits

    names = names_of(index)
    with open_index(index) as opened:
        known = [asking.named(opened, str(item), names) for item in _listed(items)]
        hits = asking.recommend(opened, known, k=k, where=where, diverse=diverse, distinct=distinct)
    if out is not None:
        save_hits(Path(out), asked_band([names.file(name) for name in known], title="for"), hits, names)
    return hits


def duplicates(
    index: Place, *, within: float = 0.05, where: str | None = None, out: Place | None = None
) -> list[tuple[str, ...]]:
    """Return groups of pictures of an index that are alike, the largest group first.

    Args:
        index: as for `search`.
        within: pictures at most so far apart are of one group, and so is what a chain of such pairs connects.
        where: as for `search`.
        out: a folder for `duplicates.json` and `duplicates.png`, a sheet to look at.
    """
    from nayan.runtime.index import open_index
    from nayan.tasks.embedding.search.homes import names_of
    from nayan.tasks.embedding.search.sheet import save_groups

    with open_index(index) as opened:
        groups = opened.near_duplicates(within, where=where)
    if out is not None:
        save_groups(Path(out), groups, names_of(index))
    return groups


def embedder_of(
    model: Place, weights: Place | None = None, *, pooling: str | None = None, imgsz: int | None = None
) -> Embedder:
    """Return what gives vectors, as `embed` takes it."""
    from nayan.tasks.embedding.search.embedders import Wanted, find_embedder

    return find_embedder(
        Wanted(str(model), None if weights is None else str(weights), pooling=pooling, imgsz=imgsz)
    )


@contextlib.contextmanager
def as_bundle(found: Embedder, samples: Sequence[Sample]) -> Iterator[Bundle]:
    """Give an embedder's bundle; one that has to be made is gone after the block."""
    from nayan.runtime.bundle import open_bundle

    if found.bundle is not None and found.ready:
        yield found.bundle
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield open_bundle(_made(found, samples, Path(temporary) / "model"))


def _made(found: Embedder, samples: Sequence[Sample], folder: Path) -> Path:
    wanted = found.wanted
    with needs_training("taking vectors from a classifier"):
        from nayan.export.features import save_features
        from nayan.tasks.restore import build_named, restore_bundle

        if found.bundle is None:
            weights = wanted.weights or "imagenet"
            restored, name = build_named(wanted.model, imgsz=wanted.imgsz, weights=weights), wanted.model
        else:
            restored, name = restore_bundle(found.bundle), found.bundle.spec.model
        assert restored.network is not None  # a name or a bundle has one
        return save_features(
            restored.network,
            folder,
            model=name,
            preprocess=restored.preprocess,
            pooling=wanted.pooling or "gap",  # type: ignore[arg-type]  # find_embedder has looked
            fingerprint=found.fingerprint,
            images=_readable(samples),
        )


def _readable(samples: Sequence[Sample]) -> list[Image]:
    """Return the first few pictures that can be read."""
    images: list[Image] = []
    failed: NayanError | None = None
    for sample in samples:
        try:
            images.append(sample.load(_SMALL))
        except NayanError as error:
            failed = failed or error
        if len(images) == _PROVEN_ON:
            return images
    if not images and failed is not None:
        raise DataError(f"none of {len(samples)} pictures can be read; the first: {failed.message}")
    return images


def _listed(sources: Place | Sequence[Place]) -> list[Place]:
    return [sources] if isinstance(sources, str | Path) else list(sources)


def _files(samples: Sequence[Sample]) -> list[Path]:
    return [sample.path for sample in samples if sample.path is not None]
