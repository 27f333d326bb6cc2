import json
import math
import os
import re
import shlex
import shutil
from dataclasses import asdict
from importlib import metadata

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinygrad_lstm import draw, nn
from tinygrad_lstm.cli import pictures
from tinygrad_lstm.errors import EvaluationError
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TextConfig, TrainConfig, language_model
from tinygrad_lstm.train.config import LEVELS, OPTIMIZERS, PRECISIONS, SCHEDULES
from tinygrad_lstm_command import draw_parser, main, parser

TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6
SMALL = ["--hidden", "6", "--embedding", "5", "--window", "8", "--batch", "5", "--validate-every", "8"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Each test runs in a folder of its own, with a text in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hamlet.txt").write_text(TEXT, encoding="utf-8")


@pytest.fixture
def run(capsys):
    """The status of a command, and what it printed on stdout and on stderr."""

    def run(line):
        capsys.readouterr()
        status = main(shlex.split(line) if isinstance(line, str) else line)
        return status, *capsys.readouterr()

    return run


def train(steps=10, more=""):
    return ["train", "hamlet.txt", *SMALL, "--steps", str(steps), *shlex.split(more)]


def test_without_a_command_the_commands_are_listed(run):
    status, out, err = run("")
    assert (status, out) == (2, "")
    assert "sample    write text with a trained model" in err


def test_training_reports_and_saves(run):
    status, out, err = run(train())
    assert status == 0
    assert f"text: hamlet.txt, {len(TEXT):,} characters" in out
    characters = len(set(TEXT))
    guess = math.log(characters)
    assert f"guessing among {characters} characters costs ln {characters} = {guess:.4f} nats" in out
    assert re.search(r"held-out text: \d\.\d{4} nats = \d\.\d{4} bits per character after 10 steps", out)
    assert "tinygrad-lstm sample model.safetensors" in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["step 1 of 10", "step 8 of 10", "step 10 of 10"]
    python = out.splitlines()[-1].removeprefix("in Python: ")
    opened = {}
    exec(python, opened)
    assert opened["vocabulary"].characters == "".join(sorted(set(TEXT)))


def test_a_text_that_is_learned_by_heart(run, monkeypatch):
    losses = iter([9.0, 10.0, 11.0])
    monkeypatch.setattr(LanguageModelTrainer, "validate", lambda self: next(losses))
    status, out, err = run(train(20))
    assert status == 0
    assert "after 20 steps\nit was lowest after 8 steps, 9.0000 nats = 12.9843 bits; that model is kept\n" in out
    assert "nothing was learned that holds for other text; give more text" in out
    assert err.count("the held-out loss has risen from 9.000 nats at step 8 to 10.000 at step 16") == 1


def test_without_a_file_the_text_is_the_default_corpus(run):
    status, out, _ = run([*train(1)[:1], *train(1)[2:]])
    assert status == 0
    assert "text: the Python language reference" in out


def test_a_run_in_two_parts_is_as_one_bit_for_bit(run):
    run(train(20, "--checkpoint whole"))
    run(train(10, "--checkpoint part"))
    status, out, _ = run("train hamlet.txt --steps 20 --resume part --checkpoint rest")
    assert status == 0
    assert "going on from step 10" in out
    whole, rest = load_file("whole"), load_file("rest")
    assert {k: v.tobytes() for k, v in whole.items()} == {k: v.tobytes() for k, v in rest.items()}
    assert len(whole["losses"]) == 20


def test_resuming_without_a_path_takes_the_checkpoints(run):
    run(train(3, "--checkpoint a"))
    assert run(train(5, "--checkpoint a --resume"))[0] == 0
    assert len(load_file("a")["losses"]) == 5
    status, out, _ = run("train hamlet.txt --resume a")
    assert status == 0
    assert "nothing is left to do at step 5; a larger --steps or --epochs goes further" in out


def test_a_model_that_will_be_replaced_is_named(run):
    run(train(1))
    status, _, err = run(train(1))
    assert status == 2
    assert "model.safetensors holds a trained model; --resume goes on from it, --overwrite starts anew" in err
    assert run(train(1, "--overwrite"))[0] == 0


def test_ctrl_c_saves_and_says_how_to_go_on(run, monkeypatch):
    run(train(12, "--checkpoint whole"))
    step = LanguageModelTrainer.step

    def interrupted(self):
        if self.at == 7:
            raise KeyboardInterrupt
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(LanguageModelTrainer, "step", interrupted)
        status, _, err = run(train(12, "--threads 2 --checkpoint 'my model'"))
    assert status == 130
    assert err.partition("\n")[2] == (
        "tinygrad-lstm: interrupted; step 7 is saved, go on with: "
        "tinygrad-lstm train hamlet.txt --threads 2 --resume 'my model'\n"
    )
    assert run(err.split("tinygrad-lstm ")[-1])[0] == 0
    whole, part = load_file("whole"), load_file("my model")
    assert {k: v.tobytes() for k, v in whole.items()} == {k: v.tobytes() for k, v in part.items()}


def test_ctrl_c_before_there_is_a_model(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lstm.cli.texts.read_corpus", interrupt)
    assert run(train()) == (130, "", "tinygrad-lstm: interrupted\n")


def test_ctrl_c_while_the_checkpoint_is_written_tells_what_is_saved(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lstm.train.language_model_trainer.write_checkpoint", interrupt)
    status, _, err = run(train(3))
    assert status == 130
    assert err.splitlines()[-1] == "tinygrad-lstm: interrupted before there was anything to save"


def test_sampling_writes_the_prompt_and_goes_on(run):
    run(train())
    status, out, err = run("sample model.safetensors --prompt 'To be' --length 30 --seed 4")
    assert (status, err) == (0, "")
    assert out.startswith("To be")
    assert len(out) == 5 + 30 + 1
    assert run("sample model.safetensors --prompt 'To be' --length 30 --seed 4")[1] == out
    assert run("sample model.safetensors --prompt 'To be' --length 30 --temperature 0")[0] == 0


@pytest.mark.parametrize("cell", ["lstm", "rnn", "gru"])
def test_drawing_a_cell(run, tmp_path, cell):
    assert run(f"draw {cell} -o cell.svg") == (0, "cell.svg\n", "")
    assert (tmp_path / "cell.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_drawing_a_graph(run, tmp_path, what):
    assert run(f"draw {what} -o graph.dot") == (0, "graph.dot\n", "")
    assert "digraph" in (tmp_path / "graph.dot").read_text(encoding="utf-8")


@pytest.mark.parametrize("cell", ["lstm", "rnn", "gru"])
@pytest.mark.parametrize("what", ["chain", "rolled", "unrolled"])
def test_drawing_a_layer_of_a_cell(run, tmp_path, what, cell):
    assert run(f"draw {what} --cell {cell} -o layer.dot") == (0, "layer.dot\n", "")
    drawn = (tmp_path / "layer.dot").read_text(encoding="utf-8")
    wanted = getattr(draw, what)({"lstm": nn.LSTM, "rnn": nn.RNN, "gru": nn.GRU}[cell](3, 4))
    if what != "unrolled":
        assert drawn == wanted.dot
    else:
        assert "equals" in drawn


def test_drawing_how_far_gradients_reach(run, tmp_path):
    assert run("draw gradient_over_time -o reach.svg") == (0, "reach.svg\n", "")
    drawn = (tmp_path / "reach.svg").read_text(encoding="utf-8")
    assert all(name in drawn for name in ("RNN", "GRU", "LSTM"))


def test_drawing_a_step_explained(run, tmp_path):
    names = [f"walk-{k}.dot" for k in (1, 2, 3)]
    assert run("draw walkthrough --cell gru -o walk.dot") == (0, "\n".join(names) + "\n", "")
    assert all("digraph" in (tmp_path / name).read_text(encoding="utf-8") for name in names)
    assert run("draw walkthrough -o walk.html") == (0, "walk.html\n", "")
    assert (tmp_path / "walk.html").read_text(encoding="utf-8").count("<svg") == 4


def test_listing_the_backends(run):
    status, out, _ = run("backends")
    assert status == 0
    assert re.search(r"^numpy +yes +tinygrad-lstm +NumPy ", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_the_version_and_the_help(run):
    assert run("--version") == (0, f"tinygrad-lstm {metadata.version('tinygrad-lstm')}\n", "")
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert "sample    write text with a trained model" in out


def test_a_checkout_that_was_never_installed_says_so(run, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert "pip install -e ." in run("--version")[1]


def test_the_help_names_the_defaults_and_choices_that_hold():
    known = {**asdict(ModelConfig()), **asdict(TrainConfig()), **asdict(TextConfig())}
    # What is left out there is off.
    assert {name: value for name, value in known.items() if value or name == "seed"} == parser.DEFAULTS
    (commands,) = parser.command_parser()._subparsers._group_actions
    actions = {action.dest: action for action in commands.choices["train"]._actions}
    assert set(known) <= set(actions)
    named = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "precision": PRECISIONS, "level": LEVELS}
    for name, choices in named.items():
        assert tuple(actions[name].choices) == tuple(choices)
    assert set(language_model.CELLS) == set(parser.CELLS)
    assert set(language_model.CELLS) == set(draw_parser.DRAWN_CELLS) == set(pictures.VARIANTS_OF)
    assert tuple(pictures.PICTURES) == draw_parser.DRAWINGS
    assert {v for known in pictures.VARIANTS_OF.values() for v in known} == set(draw_parser.VARIANTS)


BAD = [
    ("dance", "invalid choice: 'dance'"),
    ("train --hidden 0", "argument --hidden: an integer from 1 to a billion is wanted, not '0'"),
    ("train --hidden many", "an integer from 1 to a billion is wanted, not 'many'"),
    ("train --steps -5", "argument --steps"),
    ("train --embedding 99999999999999999999", "argument --embedding"),
    ("train --lr nan", "argument --lr: a finite number above 0 is wanted, not 'nan'"),
    ("train --lr 0", "argument --lr"),
    ("train --lr fast", "argument --lr"),
    ("train --threads 0", "argument --threads"),
    ("train --clip inf", "argument --clip"),
    ("train --seed 18446744073709551616", "argument --seed"),
    ("train --cell transformer", "argument --cell: invalid choice: 'transformer'"),
    ("train --checkpoint ''", "argument --checkpoint: a path is wanted"),
    ("train --hid 3", "unrecognized arguments: --hid; did you mean --hidden? see `tinygrad-lstm train --help`"),
    ("sample m --tempreature .5", "did you mean --temperature?"),
    ("train hamlet.txt --epoch 2", "did you mean --epochs?"),
    ("trian", "did you mean train?"),
    ("train hamlet.txt --curve c.foo", "a curve is drawn as .svg, .png or .pdf"),
    ("train hamlet.txt --curve missing/c.png", "there is no folder missing"),
    ("train --backend abacus", "no backend is named 'abacus'"),
    ("train none.txt", "there is no file none.txt"),
    ("train .", "is a folder"),
    ("train empty", "empty is empty"),
    ("train binary", "binary is binary: byte 1 is NUL"),
    ("train latin", "latin is not UTF-8: byte 2 is 0xf6"),
    ("train short", "--batch, --window"),
    ("train hamlet.txt --batch 500", "--batch, --window"),
    ("train hamlet.txt --checkpoint none/a", "there is no folder"),
    ("train hamlet.txt --checkpoint .", "is a folder"),
    ("train hamlet.txt --checkpoint hamlet.txt", "hamlet.txt exists and is no checkpoint"),
    ("train hamlet.txt --resume", "there is no checkpoint model.safetensors"),
    ("train hamlet.txt --resume none", "there is no checkpoint none"),
    ("train hamlet.txt --resume hamlet.txt", "hamlet.txt exists and is no checkpoint"),
    ("train hamlet.txt --resume cut", "cut is no whole safetensors file"),
    ("train hamlet.txt --resume a --cell gru", "a was trained with cell lstm, not gru"),
    ("train hamlet.txt --resume a --hidden 7", "a was trained with hidden 6, not 7"),
    ("train hamlet.txt --resume b --steps 1", "b is at step 2 already, and steps, which counts from"),
    ("train hamlet.txt --resume a --lr 1", "a was trained with lr 0.01, not 1.0"),
    ("train --resume a", "a was trained on another text, hamlet.txt"),
    ("sample none", "there is no checkpoint none"),
    ("sample cut", "cut is no whole safetensors file"),
    ("sample random", "random is no whole safetensors file"),
    ("sample", "the following arguments are required: CHECKPOINT; see `tinygrad-lstm sample --help`"),
    ("sample foreign", "foreign holds arrays, and no model as `tinygrad-lstm train` writes it"),
    ("sample a --temperature -1", "argument --temperature: a finite number of at least 0 is wanted, not '-1'"),
    ("sample a --temperature nan", "argument --temperature"),
    ("sample a --length -1", "argument --length"),
    ("sample a --prompt 'to § or not'", "the character '§' is none of the"),
    ("sample a --prompt 'to\tbe'", r"the character '\t' is none of the"),
    ("draw lstm", "the following arguments are required: -o/--output"),
    ("draw lstm -o lstm.bmp", "lstm.bmp"),
    ("draw lstm -o none/lstm.dot", "there is no folder"),
    ("draw transformer -o a.svg", "invalid choice: 'transformer'"),
    ("draw cell -o a.svg", "a cell is drawn as lstm, rnn or gru, or as one of yours"),
    ("draw lstm --cell gru -o a.svg", "--cell goes with chain, rolled, unrolled, walkthrough and gates, not with lstm"),
    ("draw chain --cell tree -o a.svg", "argument --cell: invalid choice: 'tree'"),
    ("draw chain -o a.html", "chain is drawn as .svg, .png, .pdf, .tex or .dot; end 'a.html' in one of these, or make"),
    (
        "draw walkthrough -o a.bmp",
        "walkthrough is drawn as .svg, .png, .pdf, .tex, .dot, .zip, .gif, .webp, .apng or .html; end 'a.bmp'",
    ),
    ("draw loss -o a", ".json, .mmd or .html; end 'a'"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the models ``a``, of one step, and ``b``, of two. It is made once, and only read."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "hamlet.txt").write_text(TEXT, encoding="utf-8")
        assert main(train(1, "--checkpoint a")) == 0
        assert main(train(2, "--checkpoint b")) == 0
    return folder


@pytest.fixture
def _bad_files(tmp_path, trained):
    contents = {"empty": b"", "binary": b"a\0b", "latin": "größer".encode("latin-1"), "short": b"short text"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in ("a", "b"):
        shutil.copy(trained / name, tmp_path)
    (tmp_path / "cut").write_bytes((tmp_path / "a").read_bytes()[:-1])
    (tmp_path / "random").write_bytes(np.random.default_rng(0).bytes(1000))
    save_file({"x": np.zeros(3)}, "foreign")


@pytest.mark.usefixtures("_bad_files")
@pytest.mark.parametrize(("line", "said"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_is_one_line_and_status_2(run, tmp_path, line, said):
    files = sorted(os.listdir(tmp_path))
    status, _, err = run(line)
    assert status == 2
    assert err.startswith("tinygrad-lstm: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert sorted(os.listdir(tmp_path)) == files


def test_control_characters_of_a_path_do_not_reach_the_terminal(run):
    status, _, err = run(["train", "a\nb\x1b[31m\udcff"])
    assert status == 2
    assert r"there is no file a\nb\x1b[31m\udcff;" in err


def test_files_are_called_what_they_are(run, tmp_path):
    save_file({"x": np.zeros(3)}, "foreign")
    before = (tmp_path / "foreign").read_bytes()
    status, _, err = run(train(1, "--checkpoint foreign"))
    assert (status, err) == (
        2,
        "tinygrad-lstm: error: foreign holds arrays of another program; --overwrite replaces them, and --checkpoint "
        "names another file\n",
    )
    assert (tmp_path / "foreign").read_bytes() == before
    (tmp_path / "empty").touch()
    assert run(train(1, "--checkpoint empty"))[0] == 0
    assert run("train .")[2] == "tinygrad-lstm: error: . is a folder; name the text files in it\n"
    zero = "tinygrad-lstm: error: /dev/zero is no file of text; name one in UTF-8\n"
    assert run("train /dev/zero")[2] == zero


def test_a_page_of_a_task_replaces_only_regular_files(run, tmp_path):
    os.mkfifo(tmp_path / "page.html")
    status, out, err = run("task adding --trials 1 -o page.html")
    assert (status, out) == (2, "")
    assert "it is a named pipe, and only regular files are replaced" in err


@pytest.mark.parametrize(
    "line",
    [
        "train hamlet.txt --config {}",
        "train hamlet.txt --valid {}",
        "train hamlet.txt --resume {}",
        "sample {}",
        "evaluate {} hamlet.txt",
        "task agreement --corpus {}",
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "bytes", "missing"])
def test_inputs_that_are_no_files_keep_nobody_waiting(run, tmp_path, monkeypatch, line, kind):
    monkeypatch.setattr("tinygrad_lstm.data.reading._PATIENCE", 0.05)
    path = {"device": "/dev/zero", "folder": "."}.get(kind, "given")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "bytes":
        (tmp_path / path).write_bytes(b"\xff\x00\xfe" * 9)
    status, out, err = run(line.format(path))
    assert (status, out) == (2, "")
    assert err.startswith("tinygrad-lstm: error: ")
    assert err.count("\n") == 1


def test_a_log_in_a_pipe_that_nobody_reads(run, tmp_path):
    os.mkfifo(tmp_path / "log")
    status, _, err = run(train(1, "--log log"))
    assert (status, err.count("\n")) == (2, 1)
    assert "the log log cannot be written (No such device or address); name another file" in err


def test_names_and_texts_that_a_terminal_would_obey(run, tmp_path, monkeypatch):
    name = "a\x1b[31m"
    (tmp_path / name).write_text("ab\x1b[32m\tc\n" * 90, encoding="utf-8")
    status, out, _ = run(["train", name, *SMALL, "--steps", "2", "--checkpoint", f"{name}b"])
    assert status == 0
    assert "text: a\\x1b[31m, " in out
    assert "\x1b" not in out
    line = ["sample", f"{name}b", "--prompt", "\x1b\t\n", "--length", "90"]
    assert "\x1b" in run(line)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = run(line)[1]
    assert out.startswith("\\x1b\t\n")
    assert "\x1b" not in out


def test_training_that_diverges_is_bad_input(run):
    status, _, err = run(train(50, "--lr 1e38"))
    assert status == 2
    assert re.fullmatch(r"tinygrad-lstm: error: training diverged at step \d+: .*", err.splitlines()[-1])


def out_of_memory() -> EvaluationError:
    """As the interpreter raises it."""
    error = EvaluationError("uniform(): out of memory")
    error.__cause__ = MemoryError()
    return error


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (MemoryError(), "there is not enough memory; make --hidden, --batch or --window smaller"),
        (out_of_memory(), "there is not enough memory; make --hidden, --batch or --window smaller"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(5, "Input/output error", "disk"), "Input/output error: disk"),
        (OSError("odd"), "odd"),
    ],
)
def test_what_the_system_can_not_do_is_one_line(run, monkeypatch, failure, said):
    def fail(*_):
        raise failure

    monkeypatch.setattr("tinygrad_lstm.cli.texts.default_corpus", fail)
    assert run("train") == (2, "", f"tinygrad-lstm: error: {said}\n")


def test_a_reader_that_went_away_ends_quietly(run, monkeypatch):
    def fail(*_):
        raise BrokenPipeError

    monkeypatch.setattr("tinygrad_lstm.cli.looking.describe_backends", fail)
    assert run("backends") == (141, "", "")


def test_a_model_that_does_not_fit_into_the_memory(run, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("tinygrad_lstm.cli.training.load_model", fail)
    assert run("sample a") == (2, "", "tinygrad-lstm: error: there is not enough memory for this model\n")


WORDS = "the cat sits\nthe cats sit\na dog runs\nthe dogs run\n"


def test_a_model_of_words_by_flags(run, tmp_path):
    for name, times in (("train", 60), ("valid", 5), ("test", 5)):
        (tmp_path / name).write_text(WORDS * times, encoding="utf-8")
    (tmp_path / "a.toml").write_text(
        '[text]\nlevel = "word"\n[training]\nepochs = 3\n[model]\ndropout = 0.2\n', encoding="utf-8"
    )
    small = "--config a.toml --hidden 8 --embedding 8 --tied --window 6 --batch 4 --dropout 0.1"
    status, out, err = run(
        f"train --train train --valid valid --test test {small} --log log.jsonl --curve curve.svg --checkpoint model"
    )
    assert (status, "perplexity" in out, "test text: " in out, "words/s" in err) == (0, True, True, True)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["epoch"] == 3
    assert (tmp_path / "curve.svg").stat().st_size > 1000
    status, out, _ = run("evaluate model test")
    assert status == 0
    assert re.search(r"nats = .* bits per word, perplexity", out)
    for options in ("--prompt 'the cats'", "--top-k 3 --top-p 0.9", "--beam 3"):
        status, out, _ = run(f"sample model --length 5 {options}")
        assert status == 0
        assert set(out.split()) <= {*WORDS.split(), "<unk>"}
    status, out, _ = run("inspect model 'the cats sit' -o gates.svg")
    assert (status, out) == (0, "gates.svg\n")
    assert "cats" in (tmp_path / "gates.svg").read_text(encoding="utf-8")
    status, _, err = run("inspect model 'the cats' --layer 2 -o gates.svg")
    assert (status, "--layer is at most 1" in err) == (2, True)
    status, out, _ = run("train train --valid valid --test test --checkpoint model --resume --epochs 4")
    assert (status, "going on from step" in out) == (0, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("help", "write tinygrad-lstm --help"),
        ("version", "write tinygrad-lstm --version"),
        ("draw lstm --out x.svg", "--out is no option; did you mean --output?"),
    ],
)
def test_what_was_meant(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert said in capsys.readouterr().err
