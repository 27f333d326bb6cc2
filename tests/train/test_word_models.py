"""Language models of words, and the options of models and training."""

import json
import math
import sys

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.train.test_loop import everything
from tinygrad_lstm.data import Corpus, WordVocabulary
from tinygrad_lstm.errors import CheckpointError, DataError, UsageError
from tinygrad_lstm.train import (
    Journal,
    LanguageModel,
    LanguageModelTrainer,
    ModelConfig,
    Settings,
    TextConfig,
    TrainConfig,
    beam_search,
    evaluate_text,
    learning_rate,
    load_model,
    read_journal,
    read_settings,
    sample,
    sampling,
    save_curve,
    shipped_settings,
)
from tinygrad_lstm.train.settings import settings_with

GRAMMAR = "the cat sits\nthe cats sit\na dog runs\nthe dogs run\n"
CORPUS = Corpus(GRAMMAR * 30, "a grammar", GRAMMAR * 4, GRAMMAR * 3)
WORDS = TextConfig("word")
DROPOUT = {"dropout_embedding": 0.1, "dropout_input": 0.2, "dropout_layers": 0.3, "dropout_output": 0.2}
MODELS = {
    "tied": ModelConfig(hidden=6, embedding=6, tied=True),
    "dropout": ModelConfig(hidden=6, embedding=5, layers=2, **DROPOUT),
    "variational": ModelConfig(hidden=6, embedding=5, layers=2, variational=True, **DROPOUT),
    "peephole": ModelConfig(hidden=6, embedding=5, peephole=True, coupled=True, layer_norm=True),
    "gru": ModelConfig("gru", hidden=6, embedding=5, reset_after=True, init_uniform=0.1),
    "projected": ModelConfig(
        hidden=6, embedding=4, layers=2, proj_size=4, tied=True, cell_clip=1.0, proj_clip=0.5, dropout_candidate=0.2
    ),
    "relu": ModelConfig("rnn", hidden=6, embedding=5, nonlinearity="relu", dropout_recurrent=0.2),
    "uniform": ModelConfig(hidden=6, embedding=5, init_uniform=0.05, forget_bias=1.0),
}
TRAININGS = {
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
    "sgd": {"optimizer": "sgd", "momentum": 0.5, "lr": 0.5, "schedule": "epochs", "hold": 1, "sum_over_time": True},
    "rmsprop": {"optimizer": "rmsprop", "schedule": "constant"},
    "float64": {"optimizer": "lion", "precision": "float64", "lr": 0.01},
    "adagrad": {"optimizer": "adagrad"},
}


def make(model=MODELS["tied"], **training):
    settings = {"epochs": 2, "window": 6, "batch": 4, "decay": 10, **training}
    return LanguageModelTrainer(CORPUS, model, TrainConfig(**settings), WORDS)


QUICK = [("tied", "sgd"), ("variational", "adamw"), ("gru", "float64"), ("projected", "adagrad"), ("relu", "adamw")]
SLOW = [*[(name, "sgd") for name in MODELS], *[("dropout", name) for name in TRAININGS]]


@pytest.mark.parametrize(
    ("model", "training"),
    [*QUICK, *[pytest.param(*pair, marks=pytest.mark.slow) for pair in SLOW if pair not in QUICK]],
)
def test_every_option_trains_and_resumes_bit_for_bit(tmp_path, model, training):
    whole = make(MODELS[model], **TRAININGS[training])
    whole.run()
    assert sum(whole.losses[-5:]) < sum(whole.losses[:5])
    part = make(MODELS[model], **TRAININGS[training])
    for _ in range(len(whole.losses) // 2):
        part.step()
    part.save(tmp_path / "a")
    resumed = LanguageModelTrainer.resume(tmp_path / "a", CORPUS)
    resumed.run()
    assert everything(resumed)[:4] == everything(whole)[:4]
    assert resumed.config == whole.config
    read, vocabulary = load_model(tmp_path / "a")
    assert read.config == MODELS[model]
    assert vocabulary == whole.vocabulary


def test_a_round_is_an_epoch(monkeypatch):
    trainer = make()
    rounds = len(CORPUS.text.split()) + CORPUS.text.count("\n")
    windows = (rounds - 1) // 4 // 6
    assert trainer.steps == 2 * windows
    trainer.run()
    assert [step for step, _ in trainer.validations] == [windows, 2 * windows]
    assert trainer.epoch == 2


def test_the_grammar_is_learned():
    trainer = make(ModelConfig(hidden=16, embedding=8), epochs=20, lr=0.03)
    trainer.run()
    model, vocabulary = trainer.model, trainer.vocabulary
    # Four lines of one probability, in a fixed order: what comes next is known but for the first words.
    assert trainer.lowest[1] < 0.5
    assert trainer.evaluate(CORPUS.test).nats == pytest.approx(trainer.lowest[1], abs=0.2)
    text = "".join(sample(model, vocabulary, "the cats", length=2, temperature=0))
    assert text == "sit \n"
    assert beam_search(model, vocabulary, "the dogs", length=2, width=3) == "run\n"


def test_dropout_is_of_training_alone():
    trainer = make(MODELS["dropout"])
    trainer.step()
    assert trainer.validate() == trainer.validate()
    text = CORPUS.valid
    one, two = (evaluate_text(trainer.model, trainer.vocabulary, text).nats for _ in range(2))
    assert one == two
    inputs, targets, _ = trainer._windows[0]
    losses = {
        float(trainer._updates.whole((tl.tensor(inputs), tl.tensor(targets)), trainer.state[0])[0]) for _ in range(3)
    }
    assert len(losses) == 3


@pytest.mark.parametrize("variational", [False, True])
def test_masks_of_dropout(variational):
    config = ModelConfig(hidden=6, embedding=50, dropout_input=0.5, variational=variational)
    model = LanguageModel(5, config, key=tl.random.key(0))
    seen = model.input_dropout(tl.ones((7, 2, 50))).numpy() == 0
    assert 0.2 < seen.mean() < 0.8
    assert (seen == seen[:1]).all() == variational
    rows = LanguageModel(40, ModelConfig(dropout_embedding=0.5), key=tl.random.key(0)).dropped_rows(tl.ones((40, 3)))
    dropped = rows.numpy() == 0
    assert (dropped == dropped[:, :1]).all()
    assert 0 < dropped[:, 0].sum() < 40


def test_the_evaluation_is_that_of_one_long_sequence():
    vocabulary = WordVocabulary.of(GRAMMAR)
    model = LanguageModel(len(vocabulary), ModelConfig(hidden=5, embedding=4, layers=2), key=tl.random.key(0))
    indices = vocabulary.encode(CORPUS.test)
    logits, _ = model(indices[:-1, None])
    found = evaluate_text(model, vocabulary, CORPUS.test, window=7)
    scores = logits.numpy()[:, 0].astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert found.nats == pytest.approx(-logs[np.arange(len(indices) - 1), indices[1:]].mean(), rel=1e-5)
    assert found.tokens == len(indices) - 1
    assert found.perplexity == pytest.approx(math.exp(found.nats))


def test_all_parameters_start_uniform():
    model = LanguageModel(200, ModelConfig(hidden=40, init_uniform=0.05, forget_bias=1.0), key=tl.random.key(0))
    for name, p in model.named_parameters():
        value = p.numpy() - (1.0 if name.endswith("forget.bias") else 0.0)
        assert np.abs(value).max() <= 0.05 + 1e-6, name
        assert np.abs(value).max() > 0.03, name


def test_tied_weights_are_one_parameter():
    model = LanguageModel(9, MODELS["tied"], key=tl.random.key(0))
    assert "output.weight" not in dict(model.named_parameters())
    hidden = model.recurrent(model.embedding(tl.tensor([[1]])))[0].numpy()
    expected = hidden @ model.embedding.weight.numpy().T + model.bias.numpy()
    np.testing.assert_allclose(model([[1]])[0].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_rate_of_each_schedule():
    def rates(schedule, **more):
        config = TrainConfig(lr=1.0, schedule=schedule, **more)
        return [learning_rate(config, step, step // 10, 40) for step in (0, 10, 20, 40)]

    assert rates("constant") == [1.0] * 4
    assert rates("inverse", decay=10) == [1.0, 0.5, 1 / 3, 0.2]
    assert rates("epochs", hold=1, divide=4) == [1.0, 0.25, 0.0625, 4.0**-4]
    assert rates("cosine") == pytest.approx([1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.0])


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (ModelConfig, {"tied": True}, "hidden and embedding are equal, not 128 and 64"),
        (ModelConfig, {"dropout_layers": 0.5}, "there is one; use dropout_output"),
        (ModelConfig, {"dropout_input": 1.0}, "dropout_input is a number of at least 0 and below 1, not 1.0"),
        (ModelConfig, {"cell": "gru", "peephole": True}, "peephole is no option of the cell gru"),
        (ModelConfig, {"cell": "rnn", "forget_bias": 1.0}, "the cell is rnn"),
        (ModelConfig, {"cell": "rnn", "dropout_candidate": 0.1}, "dropout_candidate is no option of the cell rnn"),
        (ModelConfig, {"nonlinearity": "relu"}, "nonlinearity is no option of the cell lstm"),
        (ModelConfig, {"cell": "rnn", "nonlinearity": "elu"}, "nonlinearity is tanh or relu, not 'elu'"),
        (ModelConfig, {"proj_size": -1}, "proj_size is an integer of at least 1, not -1"),
        (ModelConfig, {"proj_size": 32, "tied": True}, "proj_size and embedding are equal, not 32 and 64"),
        (ModelConfig, {"proj_clip": 1.0}, "give proj_size as well"),
        (ModelConfig, {"cell_clip": 0}, "cell_clip is a number above 0"),
        (ModelConfig, {"forget_bias": math.nan}, "forget_bias is a number that is finite"),
        (ModelConfig, {"variational": 1}, "variational is True or False, not 1"),
        (TrainConfig, {"optimizer": "adm"}, "optimizer is one of adam, adamw"),
        (TrainConfig, {"momentum": 0.9}, "momentum is of sgd, rmsprop, not of adam"),
        (TrainConfig, {"optimizer": "sgd", "weight_decay": -1}, "weight_decay is a finite number of at least 0"),
        (TrainConfig, {"schedule": "linear"}, "schedule is one of inverse"),
        (TrainConfig, {"epochs": 0}, "epochs is an integer of at least 1"),
        (TrainConfig, {"sum_over_time": "yes"}, "sum_over_time is True or False"),
        (TextConfig, {"level": "bpe"}, "level is one of char, word"),
        (TextConfig, {"vocabulary": 10}, "set level to word"),
        (TextConfig, {"level": "word", "vocabulary": 0}, "vocabulary is an integer of at least 1"),
    ],
)
def test_settings_out_of_range_are_told(kind, wrong, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        kind(**wrong)


def test_settings_come_from_toml(tmp_path):
    for name in shipped_settings():
        settings = Settings(read_settings(name))
        assert settings.training.optimizer == "sgd"
        assert settings.model.layers == 2
        assert settings.reading == TextConfig("word", 10_000)
    assert Settings(read_settings("zaremba-medium")).model.dropout_layers == 0.5
    path = tmp_path / "a.toml"
    model = "[model]\nlayers = 2\ndropout = 0.25\ndropout_output = 0.0\n"
    path.write_text(f'{model}[training]\nlr = 3\n[text]\nlevel = "word"\n', encoding="utf-8")
    settings = Settings({**read_settings(path), "lr": 0.5, "cell": "gru"})
    found = settings.model
    assert (found.dropout_input, found.dropout_layers, found.dropout_output, found.cell) == (0.25, 0.25, 0.0, "gru")
    assert settings.training.lr == 0.5
    assert settings.whole["level"] == "word"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nhiden = 5\n", "did you mean hidden"),
        ("[modell]\nhidden = 5\n", r"the tables \[text\], \[model\] and \[training\]"),
        ("hidden = 5\n", "the tables"),
        ("[model\n", "is no TOML file"),
        ("[model]\nxyz = 5\n", "it has cell, hidden"),
    ],
)
def test_wrong_toml_is_told(tmp_path, text, said):
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_settings(tmp_path / "a.toml")


def test_a_missing_toml_names_those_that_are_shipped(tmp_path):
    with pytest.raises(UsageError, match="zaremba-large, zaremba-medium, zaremba-small"):
        read_settings("zaremba")
    with pytest.raises(UsageError, match="is a folder; name the TOML file in it"):
        read_settings(tmp_path)


def test_the_journal_goes_on_where_the_run_does(tmp_path):
    log = tmp_path / "log.jsonl"
    trainer = make()
    with Journal(trainer, log) as journal:
        trainer.run(journal)
    lines = read_journal(log)
    assert [(line["step"], line["held_out"]) for line in lines if "held_out" in line] == trainer.validations
    assert lines[-1]["epoch"] == 2
    half = make()
    for _ in range(trainer.steps // 2):
        half.step()
    half.save(tmp_path / "a")
    resumed = LanguageModelTrainer.resume(tmp_path / "a", CORPUS)
    with Journal(resumed, log) as journal:
        resumed.run(journal)
    assert [line["step"] for line in read_journal(log)] == sorted({line["step"] for line in read_journal(log)})
    assert [line["held_out"] for line in read_journal(log) if "held_out" in line][-1] == trainer.validations[-1][1]


def test_mistakes_with_journals_and_curves_are_told(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("no JSON\n", encoding="utf-8")
    trainer = make()
    with pytest.raises(CheckpointError, match="before the first step"):
        save_curve(trainer, tmp_path / "a.svg")
    trainer.step()
    for path in (tmp_path / "a", tmp_path / "missing"):
        with pytest.raises(UsageError, match="log"):
            read_journal(path)
    with pytest.raises(UsageError, match="no log of a training; name another file"):
        Journal(trainer, tmp_path / "a")
    with pytest.raises(UsageError, match="cannot be written"):
        Journal(make(), tmp_path / "missing" / "log")
    with pytest.raises(UsageError, match=r"\.svg, \.png or \.pdf"):
        save_curve(trainer, tmp_path / "a.txt")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UsageError, match=r"pip install 'tinygrad-lstm\[tensorboard\]'"):
        Journal(trainer, tensorboard=str(tmp_path))


def test_tensorboard_reads_what_is_written(tmp_path):
    pytest.importorskip("tensorboardX")
    trainer = make()
    with Journal(trainer, tensorboard=str(tmp_path)) as journal:
        trainer.run(journal)
    (events,) = tmp_path.iterdir()
    content = events.read_bytes()
    assert all(name in content for name in (b"loss", b"held_out", b"lr"))


def test_curves_are_pictures(tmp_path):
    trainer = make()
    trainer.run()
    save_curve(trainer, tmp_path / "a.svg")
    assert (
        "nats per word" in (tmp_path / "a.svg").read_text(encoding="utf-8")
        or (tmp_path / "a.svg").stat().st_size > 5_000
    )


def test_a_checkpoint_of_words_with_another_vocabulary_is_refused(tmp_path):
    trainer = make()
    trainer.step()
    trainer.save(tmp_path / "a")
    with pytest.raises(CheckpointError, match="another text"):
        LanguageModelTrainer.resume(tmp_path / "a", Corpus(CORPUS.text + "x\n", "b", CORPUS.valid, CORPUS.test))
    with pytest.raises(CheckpointError, match="was trained with level word, not char"):
        LanguageModelTrainer.resume(tmp_path / "a", CORPUS, {"level": "char"})
    with pytest.raises(DataError, match="held-out text has 1 words"):
        LanguageModelTrainer(Corpus(GRAMMAR * 30, "a", "the"), config=TrainConfig(window=4, batch=2), reading=WORDS)


def scores(count, seed):
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


@pytest.mark.parametrize("top_k", [1, 3, 100])
@pytest.mark.parametrize("top_p", [0.2, 0.7, 1.0])
def test_what_is_drawn_is_among_the_likeliest(top_k, top_p):
    values = scores(20, 0)
    weights = np.exp(values.astype(np.float64))
    falling = np.argsort(-weights)
    share = np.cumsum(weights[falling]) / weights.sum()
    allowed = set(falling[: min(top_k, int(np.searchsorted(share, top_p)) + 1)].tolist())
    drawn = {sampling._choose(values, d, 1.0, top_k, top_p) for d in np.linspace(0, 1, 2001)[:-1]}
    assert drawn <= allowed
    assert drawn == allowed or len(allowed) == 20


def test_a_wide_beam_finds_the_likeliest_text():
    model = LanguageModel(3, ModelConfig(hidden=4, embedding=3), key=tl.random.key(3))
    vocabulary = tl.data.Vocabulary("abc")

    def cost(text):
        indices = vocabulary.encode("a" + text)
        logits = model(indices[:-1, None])[0].numpy()[:, 0].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -logs[np.arange(len(text)), indices[1:]].sum()

    texts = ["".join(t) for t in np.array(np.meshgrid(*[list("abc")] * 4)).reshape(4, -1).T]
    assert beam_search(model, vocabulary, "a", length=4, width=81) == min(texts, key=cost)


def test_mistakes_of_sampling_are_told():
    model, vocabulary = LanguageModel(3, ModelConfig(hidden=4, embedding=3)), tl.data.Vocabulary("abc")
    for options, said in [({"top_k": 0}, "top_k is"), ({"top_p": 0}, "top_p is"), ({"top_p": 1.5}, "top_p is")]:
        with pytest.raises(UsageError, match=said):
            sample(model, vocabulary, **options)
    with pytest.raises(UsageError, match="width is"):
        beam_search(model, vocabulary, width=0)
    with pytest.raises(UsageError, match="beam_search takes a model"):
        beam_search(model, "abc")
    with pytest.raises(UsageError, match="at least 1 character"):
        evaluate_text(model, vocabulary, "abc", batch=0)


def test_the_header_holds_words(tmp_path):
    trainer = make()
    trainer.step()
    trainer.save(tmp_path / "a")
    raw = (tmp_path / "a").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["tinygrad_lstm"])
    assert header["vocabulary"][:2] == ["<eos>", "<unk>"]
    assert header["reading"]["level"] == "word"


def test_settings_of_a_file_and_of_the_command(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[training]\nepochs = 3\nlr = 0.5\n", encoding="utf-8")
    assert settings_with(path, {}).training.epochs == 3
    by_steps = settings_with(path, {"steps": 5, "lr": 0.25}).training
    assert (by_steps.steps, by_steps.epochs, by_steps.lr) == (5, None, 0.25)
    with pytest.raises(UsageError, match="--steps and --epochs both say how long to train; leave one out"):
        settings_with(None, {"steps": 5, "epochs": 2})
    for line, said in (
        ('lr = "fast"', "lr is a finite number above 0, not 'fast'"),
        ("window = 2.5", "window is"),
        ("steps = 3\nepochs = 3", "steps and epochs both say how long"),
        ('optimizer = "adamm"', "optimizer is one of"),
    ):
        path.write_text(f"[training]\n{line}\n", encoding="utf-8")
        with pytest.raises(UsageError, match=rf"a\.toml: {said}"):
            settings_with(path, {"hidden": 4})
    path.write_text("[training]\nmomentum = 0.9\n", encoding="utf-8")
    assert settings_with(path, {"optimizer": "sgd"}).training.momentum == 0.9
