"""Pictures that move, for slides: GIF, WebP and APNG, through Pillow."""

import base64
import html
import importlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.output import check_folder, open_in_browser, write_picture
from tinygrad_lstm.errors import DrawingError, UsageError

__all__ = ["MOVING", "Animation"]

MOVING: Final = {".gif": "GIF", ".webp": "WebP", ".apng": "APNG"}
"""What an animation is saved as, by the ending of the file."""
_SIDE_BY_SIDE: Final = 4
"""So many pictures are laid out at the same time."""


@dataclass(frozen=True, repr=False)
class Animation:
    """Pictures that follow each other, again and again. Jupyter plays it.

    Attributes:
        title: what is shown.
        description: the same for who cannot see it.
        frames: each a picture and for how many seconds it stands.
        ground: the colour behind transparent pictures where a GIF can have no shades of transparent.
    """

    title: str
    description: str
    frames: tuple[tuple[Drawing, float], ...]
    ground: str = "#ffffff"

    def __repr__(self) -> str:
        return f"<Animation {self.title!r}: {len(self.frames)} pictures in {self.seconds:g} s>"

    @property
    def seconds(self) -> float:
        """How long one round takes."""
        return sum(seconds for _, seconds in self.frames)

    def encoded(self, form: str = "GIF", *, dpi: float = 96, timeout: float = 20.0) -> bytes:
        """The moving picture as bytes.

        Args:
            form: ``"GIF"``, ``"WebP"`` or ``"APNG"``.
            dpi: dots an inch.
            timeout: for the layout of each picture.

        Raises:
            UsageError: ``form`` is something else.
            DrawingError: Pillow is not installed, a picture cannot be rendered, or there are more pixels than the form
                can hold.
        """
        if form not in MOVING.values():
            raise UsageError(f"an animation is encoded as {_either(list(MOVING.values()))}, not as {form!r}")
        image = _pillow("PIL.Image")
        distinct = list(dict.fromkeys(drawing for drawing, _ in self.frames))
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            painted = list(pool.map(lambda drawing: drawing.png(dpi=dpi, timeout=timeout), distinct))
        pictures = _alike([image.open(io.BytesIO(png)).convert("RGBA") for png in painted])
        shown = dict(zip(distinct, pictures, strict=True))
        frames = [shown[drawing] for drawing, _ in self.frames]
        times = [round(1000 * seconds) for _, seconds in self.frames]
        held = io.BytesIO()
        if form == "GIF":
            # One palette for all, so that nothing flickers and only what changes is stored.
            behind = image.new("RGBA", pictures[0].size, self.ground)
            frames = [image.alpha_composite(behind, frame).convert("RGB") for frame in frames]
            palette = _together(frames).quantize(255, dither=image.Dither.NONE)
            frames = [frame.quantize(palette=palette, dither=image.Dither.NONE) for frame in frames]
            options: dict[str, Any] = {"format": "GIF", "optimize": False, "disposal": 1}
        elif form == "WebP":
            options = {"format": "WebP", "lossless": True, "method": 4}
        else:
            options = {"format": "PNG", "default_image": False}
        try:
            frames[0].save(held, save_all=True, append_images=frames[1:], duration=times, loop=0, **options)
        except (OSError, ValueError) as error:
            wide, high = pictures[0].size
            raise DrawingError(
                f"a {form} of {wide:,} by {high:,} pixels cannot be written ({error}); a smaller dpi makes it smaller"
            ) from None
        return held.getvalue()

    def save(self, path: str | os.PathLike[str], *, dpi: float = 96, timeout: float = 20.0) -> Path:
        """Write it in the form that the suffix says, and return the path.

        Raises:
            UsageError: the suffix is none of ``.gif``, ``.webp`` and ``.apng``.
            DrawingError: Pillow is not installed, a picture cannot be rendered, or the file not be written.
        """
        path = Path(path)
        form = MOVING.get(path.suffix.lower())
        if form is None:
            raise UsageError(f"cannot tell the form from {path.name!r}: end it in {_either(list(MOVING))}")
        check_folder(path)
        write_picture(path, self.encoded(form, dpi=dpi, timeout=timeout))
        return path

    def show(self) -> Path:
        """Play it in the browser, from a temporary file, and return its path. Notebooks play it anyway.

        Raises:
            DrawingError: when there is no browser, or Pillow is not installed.
        """
        return open_in_browser(self.encoded(), ".gif")

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.encoded()).decode("ascii")
        said = html.escape(f"{self.title}. {self.description}")
        return f'<img alt="{said}" style="max-width: 100%; height: auto" src="data:image/gif;base64,{data}">'


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _alike(pictures: Sequence[Any]) -> list[Any]:
    """The pictures on sheets of one size, in the middle of the upper edge, and round them the colour of the corner."""
    wide, high = (max(picture.size[k] for picture in pictures) for k in (0, 1))
    sheets = []
    for picture in pictures:
        sheet = _pillow("PIL.Image").new("RGBA", (wide, high), picture.getpixel((0, 0)))
        sheet.paste(picture, ((wide - picture.size[0]) // 2, 0))
        sheets.append(sheet)
    return sheets


def _together(pictures: Sequence[Any]) -> Any:
    """All pictures below each other."""
    wide, high = pictures[0].size
    whole = _pillow("PIL.Image").new("RGB", (wide, high * len(pictures)))
    for k, picture in enumerate(pictures):
        whole.paste(picture, (0, high * k))
    return whole


def _pillow(module: str) -> Any:
    """The one place where Pillow is imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DrawingError(
            f"moving pictures need Pillow, which cannot be imported ({error}): pip install 'tinygrad-lstm[slides]'"
        ) from None
