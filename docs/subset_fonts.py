"""The fonts of pictures, as parts of Liberation Sans and DejaVu Sans, into ``tinygrad_lstm/draw/fonts``.

``python docs/subset_fonts.py FOLDER`` takes the whole fonts from a folder and those below it: on Debian and Ubuntu
``/usr/share/fonts``, after ``apt install fonts-liberation2 fonts-dejavu-core``. It needs ``pip install fonttools``.
"""

import sys
from pathlib import Path
from typing import Final

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FOLDER: Final = Path(__file__).parent.parent / "tinygrad_lstm" / "draw" / "fonts"
LATIN: Final = "20-7E,A0-24F,2BC,2C6-2DD,370-3FF,400-45F,1E00-1EFF,2010-2027,2030-203A,20AC,2122,2190-2195,2202-2265"
SIGNS: Final = (
    "20-7E,A0-17F,2B0-2FF,300-36F,391-3C9,3D1,3D5,3F5,1D2C-1D6A,1D9C-1DBF,2010-206F,2070-209F,2100-214F,2190-21FF,"
    "2200-22FF,2308-230B,2320-2321,239B-23AE,23CE,2423,25A0-25FF,2713-2717,27C2-27FF,2A00-2A0C"
)
LETTERS: Final = "20-7E,A0-17F,300-36F,391-3C9,3D1,3D5,3F5,2032,2070-209F,2102-2135,2202,2207"
"""What stands in italics: names, letters with marks among them."""
FONTS: Final = {
    "sans-regular": ("liberation2/LiberationSans-Regular.ttf", "LSTM Sans", "Regular", LATIN),
    "sans-italic": ("liberation2/LiberationSans-Italic.ttf", "LSTM Sans", "Italic", LATIN),
    "signs-regular": ("dejavu/DejaVuSans.ttf", "LSTM Signs", "Regular", SIGNS),
    "signs-italic": ("dejavu/DejaVuSans-Oblique.ttf", "LSTM Signs", "Italic", LETTERS),
}


def subset(path: Path, family: str, style: str, ranges: str) -> TTFont:
    """A font with the characters of ``ranges`` alone, under a new name, without hints for old screens."""
    font = TTFont(path)
    options = Options(hinting=False, layout_features=["ccmp", "mark", "mkmk", "kern", "locl"], drop_tables=["FFTM"])
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    cut = Subsetter(options)
    ends = [[int(end, 16) for end in part.split("-")] for part in ranges.split(",")]
    cut.populate(unicodes=[c for pair in ends for c in range(pair[0], pair[-1] + 1)])
    cut.subset(font)
    full = family if style == "Regular" else f"{family} {style}"
    said = {1: family, 2: style, 3: f"{full}, a part of {path.name}", 4: full, 6: f"{family.replace(' ', '')}-{style}"}
    for record in font["name"].names:
        if record.nameID in said:
            record.string = said[record.nameID]
    return font


if __name__ == "__main__":
    for name, (source, *rest) in FONTS.items():
        found = next(Path(sys.argv[1]).rglob(source))
        subset(found, *rest).save(FOLDER / f"{name}.ttf")
