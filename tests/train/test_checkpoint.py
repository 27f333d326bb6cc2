import contextlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from tests.train.conftest import TEXT, make
from tinygrad_lstm.data import Corpus, Vocabulary
from tinygrad_lstm.errors import CheckpointError
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TextConfig, TrainConfig, load_model
from tinygrad_lstm.train.checkpoint import check_writable, read_checkpoint, write_checkpoint
from tinygrad_lstm.train.description import Description

pytestmark = pytest.mark.filterwarnings("ignore:.*has no checksum")

ARRAYS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3.5)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a checkpoint."""
    path = tmp_path_factory.mktemp("whole") / "a"
    make(Corpus(TEXT, "Hamlet")).save(path)
    return path.read_bytes()


def edited(content, change):
    """A checkpoint whose description ``change`` has changed in place."""
    size = int.from_bytes(content[:8], "little")
    description = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["tinygrad_lstm"])
    change(description)
    return save(load(content), {"tinygrad_lstm": json.dumps(description)})


def described(**changes):
    """A description, whole but for these changes."""
    plain = Description(ModelConfig(), TrainConfig(), TextConfig(), Vocabulary("ab"), "a text", "0" * 64, 0, ())
    return replace(plain, **changes)


def test_what_is_written_is_read(tmp_path):
    description = described(
        model=ModelConfig("gru", 3, 4, 5),
        training=TrainConfig(lr=1e-300, clip=1, seed=2**64 - 1, validate_every=7),
        vocabulary=Vocabulary('\n"aö\u2028\U0001f600'),
        text="größer\n\x1b",
        step=9,
        validations=((7, 0.1), (9, 1e-300)),
    )
    write_checkpoint(tmp_path / "a", ARRAYS, description)
    arrays, found = read_checkpoint(tmp_path / "a")
    assert found == description
    assert {name: (a.dtype, a.tolist()) for name, a in arrays.items()} == {
        name: (a.dtype, a.tolist()) for name, a in ARRAYS.items()
    }
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_arrays_that_are_no_block_of_memory_are_written_as_they_look(tmp_path):
    write_checkpoint(tmp_path / "a", {"x": ARRAYS["x"].T, "y": ARRAYS["x"][:, ::2]}, described())
    arrays, _ = read_checkpoint(tmp_path / "a")
    assert arrays["x"].tolist() == ARRAYS["x"].T.tolist()
    assert arrays["y"].tolist() == ARRAYS["x"][:, ::2].tolist()


@pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_point_leaves_the_old_checkpoint(tmp_path, monkeypatch, place, failure):
    write_checkpoint(tmp_path / "a", ARRAYS, described(step=1))
    old = (tmp_path / "a").read_bytes()

    def fail(*_):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(place, fail)
        with pytest.raises((CheckpointError, KeyboardInterrupt)) as caught:
            write_checkpoint(tmp_path / "a", {"x": np.zeros(9)}, described(step=2))
    if isinstance(failure, OSError):
        assert "cannot be written: No space left on device" in str(caught.value)
    assert (tmp_path / "a").read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_new_checkpoint_takes_the_place_of_the_old_one_and_keeps_links(tmp_path):
    write_checkpoint(tmp_path / "a", ARRAYS, described(step=1))
    (tmp_path / "link").symlink_to("a")
    write_checkpoint(tmp_path / "link", ARRAYS, described(step=2))
    assert (tmp_path / "link").is_symlink()
    assert read_checkpoint(tmp_path / "a")[1] == described(step=2)


def test_a_checkpoint_has_the_permissions_of_any_new_file(tmp_path):
    write_checkpoint(tmp_path / "a", ARRAYS, described())
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@given(data=st.data())
def test_a_checkpoint_that_was_cut_off_is_refused(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("cut") / "a"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(CheckpointError, match="cut off"):
        load_model(path)


@given(content=st.binary(max_size=100))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("random") / "a"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cut off|no model"):
        load_model(path)


@given(data=st.data())
def test_a_header_with_a_byte_changed_is_read_or_refused(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("changed") / "a"
    size = int.from_bytes(whole[:8], "little")
    at = data.draw(st.integers(0, size + 7))
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    for read in (load_model, lambda p: LanguageModelTrainer.resume(p, Corpus(TEXT, "Hamlet"))):
        with contextlib.suppress(CheckpointError):
            read(path)


def test_safetensors_of_another_program_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(save(ARRAYS))
    (tmp_path / "b").write_bytes(save(ARRAYS, {"format": "pt"}))
    for name in "ab":
        with pytest.raises(CheckpointError, match=r"holds arrays, and no model .*; tl\.load reads"):
            load_model(tmp_path / name)


def test_a_missing_checkpoint_and_a_folder(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_model(tmp_path / "none")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot be read: .*embedded null"):
        load_model("a\0b")


def test_another_format_is_named(tmp_path, whole):
    (tmp_path / "a").write_bytes(edited(whole, lambda d: d.update(format=99)))
    with pytest.raises(CheckpointError, match="has format 99, this program reads 3"):
        load_model(tmp_path / "a")


@pytest.mark.parametrize("header", ["{", "[]", "3", "{}"])
def test_a_header_that_is_no_description(tmp_path, header):
    (tmp_path / "a").write_bytes(save(ARRAYS, {"tinygrad_lstm": header}))
    with pytest.raises(CheckpointError, match="the JSON in its header cannot be read"):
        load_model(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["model"].update(hidden=7), "does not fit the architecture it names: .*weight is"),
        (lambda d: d["model"].update(cell="gru"), "does not fit the architecture it names: .*missing are"),
        (lambda d: d["model"].update(cell="transformer"), "is damaged: cell is one of"),
        (lambda d: d["model"].update(heads=8), "is damaged: .*heads"),
        (lambda d: d.pop("model"), "is damaged: it has no 'model'"),
        (lambda d: d.update(model=3), "is damaged"),
        (lambda d: d.update(vocabulary="ba"), "is damaged: a vocabulary"),
        (lambda d: d.update(vocabulary="ab"), "does not fit the architecture"),
    ],
)
def test_a_description_that_does_not_fit_the_arrays(tmp_path, whole, change, said):
    (tmp_path / "a").write_bytes(edited(whole, change))
    with pytest.raises(CheckpointError, match=said):
        load_model(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(vocabulary=d["vocabulary"][:-1] + "\U0001f600"), "has another vocabulary"),
        (lambda d: d.update(step=5), "its state does not fit"),
        (lambda d: d["training"].update(batch=4), "its state does not fit"),
        (lambda d: d["training"].update(lr=-1), "is damaged: lr"),
        (lambda d: d.pop("data"), "it has no 'data'"),
        (lambda d: d.update(validations=[[1]]), "is damaged"),
        (
            lambda d: d.update(validations=[[1, 2.0]]),
            "is damaged: the steps of its validations do not rise from 1 to 0 at most",
        ),
        (lambda d: d["training"].update(batch=10**30), "is damaged: there are 459 characters to train on"),
        (lambda d: d["training"].update(lr=10**400), "is damaged: lr is a finite number above 0"),
        (lambda d: d["data"].update(sha256=None), "is damaged: name and SHA-256 of its text are no texts"),
        (lambda d: d["data"].update(sha256="é"), "is damaged: the SHA-256 .* 64 hexadecimal digits"),
        (lambda d: d.update(step=True), "is damaged: step is an integer of at least 0, not True"),
        (lambda d: d.update(step=3, validations=[[2, 1.0], [2, 1.0]]), "do not rise from 1 to 3"),
        (lambda d: d.update(step=3, validations=[[2, None]]), "the losses of its validations are no numbers"),
        (lambda d: d.update(step=3, validations=[[2, 0.5]]), "is damaged: its state does not fit"),
        (lambda d: d.update(speed=3), "is damaged: it has a part 'speed', which is not known"),
    ],
)
def test_a_description_that_can_not_be_resumed(tmp_path, whole, change, said):
    (tmp_path / "a").write_bytes(edited(whole, change))
    with pytest.raises(CheckpointError, match=said):
        LanguageModelTrainer.resume(tmp_path / "a", Corpus(TEXT, "Hamlet"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_a_description_with_anything_in_a_place_is_read_or_refused_in_a_sentence(tmp_path_factory, whole, data):
    def change(description):
        place = data.draw(
            st.sampled_from(
                [(n,) for n in description]
                + [("model", n) for n in description["model"]]
                + [("training", n) for n in description["training"]]
                + [("data", n) for n in description["data"]]
            )
        )
        inner = description
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = data.draw(JSON)

    path = tmp_path_factory.mktemp("anything") / "a"
    path.write_bytes(edited(whole, change))
    for read in (load_model, lambda p: LanguageModelTrainer.resume(p, Corpus(TEXT, "Hamlet"))):
        try:
            read(path)
        except CheckpointError as error:
            assert "\n" not in str(error) or "\n" in str(path)  # noqa: PT017


def test_a_model_is_read_without_drawing_one_first(tmp_path, whole, monkeypatch):
    (tmp_path / "a").write_bytes(whole)

    def drawn(*_, **__):
        raise AssertionError("numbers are drawn")

    with monkeypatch.context() as patch:
        # What is drawn with a key is evaluated at once, other than in a trace.
        patch.setattr("tinygrad_lstm.functions.random.settled", drawn)
        resumed = LanguageModelTrainer.resume(tmp_path / "a", Corpus(TEXT, "Hamlet"))
    assert resumed.step() == make(Corpus(TEXT, "Hamlet")).step()


@pytest.mark.parametrize(
    "change",
    [{"hidden": 10**15}, {"embedding": 10**15}, {"layers": 10**15}, {"hidden": 2**70}, {"hidden": 6, "layers": 17}],
)
def test_sizes_are_compared_before_a_model_is_made(tmp_path, whole, change):
    (tmp_path / "a").write_bytes(edited(whole, lambda d: d["model"].update(change)))
    with pytest.raises(CheckpointError, match="does not fit the architecture it names"):
        load_model(tmp_path / "a")


def test_the_model_is_read_as_it_was_saved(tmp_path, whole):
    (tmp_path / "a").write_bytes(whole)
    model, vocabulary = load_model(tmp_path / "a")
    trainer = make(Corpus(TEXT, "Hamlet"))
    assert vocabulary == trainer.vocabulary
    for path, value in trainer.model.state_dict().items():
        assert np.array_equal(value.numpy(), model.state_dict()[path].numpy())


def test_the_model_that_is_read_is_the_best_one(tmp_path, monkeypatch):
    trainer, seen = make(Corpus(TEXT, "Hamlet")), {}
    losses = iter([2.0, 1.0, 3.0])

    def validate():
        seen[trainer.at] = trainer.model.output.weight.numpy()
        return next(losses)

    monkeypatch.setattr(trainer, "validate", validate)
    trainer.run(checkpoint=tmp_path / "a")
    assert (trainer.validations, trainer.lowest) == ([(8, 2.0), (16, 1.0), (20, 3.0)], (16, 1.0))
    model, _ = load_model(tmp_path / "a")
    assert np.array_equal(model.output.weight.numpy(), seen[16])
    resumed = LanguageModelTrainer.resume(tmp_path / "a", trainer.corpus, {"steps": 30})
    assert np.array_equal(resumed.model.output.weight.numpy(), seen[20])
    assert np.array_equal(resumed.best["output.weight"].numpy(), seen[16])
    resumed.save(tmp_path / "b")
    assert np.array_equal(load_model(tmp_path / "b")[0].output.weight.numpy(), seen[16])


def test_weights_that_are_no_numbers_are_refused(tmp_path, whole):
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
    header = {"tinygrad_lstm": header["tinygrad_lstm"]}
    arrays = load(whole)
    arrays["model.output.bias"] = arrays["model.output.bias"] * np.nan
    (tmp_path / "a").write_bytes(save(arrays, header))
    with pytest.raises(CheckpointError, match=r"no finite numbers, in output\.bias"):
        load_model(tmp_path / "a")


def test_other_programs_read_the_arrays(whole):
    arrays = load(whole)
    assert arrays["model.recurrent.cells.0.forget.weight"].shape == (11, 6)
    assert arrays["losses"].shape == (0,)


def test_whether_a_path_can_be_written_is_found_without_a_trace(tmp_path):
    check_writable(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").write_bytes(b"")
    check_writable(tmp_path / "empty")


def test_a_checkpoint_is_not_written_over_another_kind_of_file(tmp_path):
    (tmp_path / "poem.txt").write_text("{a poem that is long enough to be one}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="exists and is no checkpoint"):
        check_writable(tmp_path / "poem.txt")
    with pytest.raises(CheckpointError, match="it is a device, and only regular files are replaced"):
        check_writable(os.devnull)


def test_paths_that_can_not_be_written(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(CheckpointError, match="there is no folder"):
        check_writable(tmp_path / "none" / "a")
    with pytest.raises(CheckpointError, match="cannot be written"):
        check_writable("a\0b")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    # The user who runs the tests may be one who may write everywhere.
    monkeypatch.setattr("pathlib.Path.touch", refused)
    with pytest.raises(CheckpointError, match="cannot be written: Permission denied"):
        check_writable(tmp_path / "a")


def test_a_checkpoint_that_may_not_be_read(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").touch()
    monkeypatch.setattr("tinygrad_lstm.runtime.files.safe_open", refused)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        read_checkpoint(tmp_path / "a")


def test_a_type_of_number_that_numpy_does_not_have(tmp_path):
    header = json.dumps(
        {
            "__metadata__": {"tinygrad_lstm": '{"format": 2}'},
            "x": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]},
        }
    ).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "a")
