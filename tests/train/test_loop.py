import math
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tests.train.conftest import TEXT, make
from tinygrad_lstm.data import Corpus, Vocabulary
from tinygrad_lstm.errors import AnomalyError, CheckpointError, DataError, EvaluationError, UsageError
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.variables import Variable
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.train import LanguageModelTrainer, TrainConfig, learning_rate


def everything(trainer):
    """All that a trainer has learned, as bytes."""
    parts = {"model": trainer.model.state_dict(), "optimizer": trainer.optimizer.state_dict(), "best": trainer.best}
    found = {f"{part}.{n}": v.numpy().tobytes() for part, values in parts.items() for n, v in values.items()}
    state = [leaf.numpy().tobytes() for leaf in flatten(trainer.state)[0]]
    return found, state, trainer.at, trainer.losses.tobytes(), trainer.validations


def test_training_learns(corpus):
    trainer = make(corpus, steps=60, validate_every=60, lr=0.03)
    untrained = trainer.validate()
    trainer.run()
    assert abs(untrained - math.log(len(trainer.vocabulary))) < 0.5
    assert trainer.validations[-1][1] < 0.9 * untrained
    assert trainer.validations[-1][0] == len(trainer.losses) == 60


def test_the_same_seed_gives_the_same_bits(corpus):
    one, two, other = make(corpus), make(corpus), make(corpus, seed=1)
    for trainer in (one, two, other):
        trainer.run()
    assert everything(one) == everything(two)
    assert one.losses != other.losses


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2), ("rnn", 1)])
def test_a_resumed_run_goes_on_bit_for_bit(corpus, tmp_path, cell, layers):
    whole = make(corpus, cell, layers)
    whole.run()
    part = make(corpus, cell, layers)
    for _ in range(10):
        part.step()
    part.save(tmp_path / "a")
    part.validations.append((8, part.validate()))  # what is done after saving is not in the checkpoint
    resumed = LanguageModelTrainer.resume(tmp_path / "a", corpus)
    assert (resumed.at, resumed.saved_at, resumed.validations) == (10, 10, [])
    resumed.run()
    # It did not look at the held-out text at step 8.
    assert resumed.validations == whole.validations[1:]
    assert whole.lowest[0] > 8
    assert everything(resumed)[:4] == everything(whole)[:4]


def test_a_run_that_is_prolonged_is_as_one_that_was_planned_so_long(corpus, tmp_path):
    whole = make(corpus, steps=20, validate_every=5)
    whole.run()
    make(corpus, steps=10, validate_every=5).run(checkpoint=tmp_path / "a")
    prolonged = LanguageModelTrainer.resume(tmp_path / "a", corpus, {"steps": 20})
    prolonged.run()
    assert everything(prolonged) == everything(whole)


@pytest.mark.parametrize(
    "place",
    ["language_model_trainer.cross_entropy", "updating.clip_grad_norm", "language_model_trainer.learning_rate"],
)
def test_a_first_step_that_is_interrupted_leaves_nothing(trainer, corpus, monkeypatch, place):
    before = everything(trainer)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"tinygrad_lstm.train.{place}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trainer.step()
    assert everything(trainer) == before
    assert all(p.grad is None for p in trainer.model.parameters())
    assert make(corpus).step() == trainer.step()


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
@pytest.mark.parametrize("assignments", [0, 1, 5])
def test_a_step_that_is_interrupted_between_its_assignments_leaves_nothing(corpus, monkeypatch, backend, assignments):
    with tl.use_backend(backend):
        trainer, undisturbed = make(corpus), make(corpus)
        assert trainer.step() == undisturbed.step()
        before = everything(trainer)
        hold, learn, held = Variable.hold, trainer._updates.whole, []

        def interrupt(cell, leaf):
            held.append(cell)
            if len(held) == assignments + 1:
                raise KeyboardInterrupt
            hold(cell, leaf)

        def learning(*given):
            with monkeypatch.context() as patch:
                patch.setattr(Variable, "hold", interrupt)
                return learn(*given)

        monkeypatch.setattr(trainer._updates, "whole", learning)
        with pytest.raises(KeyboardInterrupt):
            trainer.step()
        monkeypatch.undo()
        assert len(held) == assignments + 1
        assert everything(trainer) == before
        assert trainer.step() == undisturbed.step()


def test_an_interrupted_run_is_saved_and_goes_on_bit_for_bit(corpus, tmp_path):
    whole = make(corpus)
    whole.run()

    def interrupt(trainer):
        if trainer.at == 13:
            raise KeyboardInterrupt

    trainer = make(corpus)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(interrupt, tmp_path / "a")
    assert trainer.saved_at == 13
    resumed = LanguageModelTrainer.resume(tmp_path / "a", corpus)
    resumed.run(checkpoint=tmp_path / "a")
    assert everything(resumed) == everything(whole)


def test_an_interruption_while_validating_costs_no_validation(corpus, tmp_path, monkeypatch):
    whole = make(corpus)
    whole.run()
    trainer = make(corpus)

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "validate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(checkpoint=tmp_path / "a")
    resumed = LanguageModelTrainer.resume(tmp_path / "a", corpus)
    assert (resumed.at, resumed.validations) == (8, [])
    resumed.run()
    assert everything(resumed) == everything(whole)


def test_validating_changes_nothing(trainer):
    trainer.step()
    before = everything(trainer)
    assert trainer.validate() == trainer.validate()
    assert everything(trainer) == before


def test_the_state_is_carried_and_starts_from_zeros_in_each_round(trainer, monkeypatch):
    entered = []
    learn = trainer._updates.whole
    monkeypatch.setattr(trainer._updates, "whole", lambda batch, state: entered.append(state.h) or learn(batch, state))
    count = len(trainer._windows)
    for _ in range(count + 1):
        trainer.step()
    zero = [not h.numpy().any() for h in entered]
    assert zero == [True, *[False] * (count - 1), True]


def test_a_run_is_compiled_once_for_each_shape_of_a_window(trainer, monkeypatch):
    traced = []

    def counting(logits, targets):
        traced.append(targets.shape)
        return cross_entropy(logits, targets)

    monkeypatch.setattr("tinygrad_lstm.train.language_model_trainer.cross_entropy", counting)
    trainer.run()
    held_out = dict.fromkeys(window.targets.shape for window in trainer._held_out)
    assert len(held_out) == 2
    assert len(trainer.validations) == 3
    assert traced == [trainer._windows[0].targets.shape, *held_out]


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_steps_are_those_of_the_interpreter(corpus, backend):
    with tl.use_backend(backend):
        compiled, interpreted = make(corpus), make(corpus)
        # What is searched for a fault runs op by op.
        with tl.detect_anomaly():
            interpreted.run()
        compiled.run()
    np.testing.assert_allclose(compiled.losses, interpreted.losses, rtol=1e-4)
    np.testing.assert_allclose(compiled.validations, interpreted.validations, rtol=1e-4)


def test_a_step_that_is_searched_for_a_fault_names_the_operation(corpus):
    trainer = make(corpus)
    trainer.step()
    trainer.model.output.bias.assign(np.full(trainer.model.output.bias.shape, np.inf, np.float32))
    before = everything(trainer)
    with tl.detect_anomaly(), pytest.raises(AnomalyError, match=r"^add\(.* gives inf at "):
        trainer.step()
    assert everything(trainer) == before


def test_a_run_that_is_done_does_nothing(trainer, tmp_path):
    trainer.run()
    before = everything(trainer)
    trainer.run(checkpoint=tmp_path / "a")
    assert everything(trainer) == before
    assert not (tmp_path / "a").exists()


def test_a_checkpoint_that_can_not_be_written_is_found_before_the_first_step(trainer, tmp_path):
    with pytest.raises(CheckpointError, match="there is no folder"):
        trainer.run(checkpoint=tmp_path / "none" / "a")
    assert trainer.at == 0


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_training_that_diverges_says_so_and_keeps_the_last_good_step(corpus, backend):
    trainer = make(corpus, lr=1e38, steps=100)
    kept = []
    with tl.use_backend(backend), pytest.raises(EvaluationError, match=r"diverged at step \d+: .*--lr"):
        trainer.run(lambda t: kept.append(everything(t)))
    assert all(math.isfinite(loss) for loss in trainer.losses)
    assert everything(trainer) == kept[-1]


def test_the_loss_is_reported_after_each_step_and_each_validation(trainer):
    seen = []
    trainer.run(lambda t: seen.append((t.at, len(t.validations))))
    assert seen[6:9] == [(7, 0), (8, 0), (8, 1)]
    assert seen[-2:] == [(20, 2), (20, 3)]


def test_the_learning_rate_depends_on_the_step_alone():
    short, long = TrainConfig(steps=10), TrainConfig(steps=10_000)
    rates = [learning_rate(short, k) for k in range(0, 5000, 100)]
    assert rates == [learning_rate(long, k) for k in range(0, 5000, 100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == short.lr


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"hidden": 7}, "trained with hidden 6, not 7"),
        ({"cell": "gru"}, "trained with cell lstm, not gru"),
        ({"lr": 0.5}, "trained with lr 0.01, not 0.5"),
        ({"seed": 3}, "trained with seed 0, not 3"),
    ],
)
def test_a_checkpoint_of_other_settings_is_not_resumed(trainer, corpus, tmp_path, wanted, said):
    trainer.save(tmp_path / "a")
    with pytest.raises(CheckpointError, match=said):
        LanguageModelTrainer.resume(tmp_path / "a", corpus, wanted)


def test_settings_that_are_the_checkpoints_may_be_said_again(trainer, corpus, tmp_path):
    trainer.save(tmp_path / "a")
    resumed = LanguageModelTrainer.resume(tmp_path / "a", corpus, {"hidden": 6, "steps": 30, "validate_every": 4})
    assert (resumed.config.steps, resumed.config.validate_every, resumed.config.window) == (30, 4, 8)
    with pytest.raises(UsageError, match="steps"):
        LanguageModelTrainer.resume(tmp_path / "a", corpus, {"steps": 0})


def test_fewer_steps_than_are_done_are_refused(trainer, corpus, tmp_path):
    trainer.run(checkpoint=tmp_path / "a")
    with pytest.raises(UsageError, match=r"is at step 20 already, and steps, which .*, is 5; .*--steps"):
        LanguageModelTrainer.resume(tmp_path / "a", corpus, {"steps": 5})


@pytest.mark.parametrize(("length", "looks"), [(60, [25, 50, 60]), (60 * 5, [60])])
def test_a_short_text_is_looked_at_more_often(length, looks):
    trainer = make(Corpus("to be or not " * (length // 13), "a phrase"), steps=60, validate_every=None)
    trainer.run()
    assert [step for step, _ in trainer.validations] == looks


def test_an_interruption_right_after_the_checkpoint_was_written_does_no_harm(trainer, tmp_path, monkeypatch):
    save = trainer.save

    def interrupted(path):
        save(path)
        monkeypatch.setattr(trainer, "save", save)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(checkpoint=tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_checkpoint_of_another_text_is_not_resumed(trainer, tmp_path):
    trainer.save(tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"another text, Hamlet with SHA-256 .* this is Macbeth"):
        LanguageModelTrainer.resume(tmp_path / "a", Corpus(TEXT[::-1], "Macbeth"))


def test_a_text_that_is_too_short_says_so():
    with pytest.raises(DataError, match="--batch, --window"):
        LanguageModelTrainer(Corpus("short", "a word"))


def test_a_text_that_is_no_corpus_says_how_to_make_one():
    with pytest.raises(UsageError, match=r"a Corpus, not str; write tl\.data\.Corpus\(text, name\)"):
        LanguageModelTrainer(TEXT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"window": 1.5},
        {"batch": -1},
        {"lr": math.nan},
        {"lr": 0},
        {"clip": math.inf},
        {"decay": 0},
        {"lr": "1"},
        {"lr": True},
        {"clip": 10**400},
    ],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainConfig(**wrong)


def test_numbers_of_numpy_are_settings_that_can_be_saved(corpus, tmp_path):
    make(corpus, lr=np.float32(0.5), clip=np.float64(2), seed=np.int64(3)).save(tmp_path / "a")
    config = LanguageModelTrainer.resume(tmp_path / "a", corpus).config
    assert (config.lr, config.clip, config.seed) == (0.5, 2.0, 3)


def test_a_seed_out_of_range():
    with pytest.raises(UsageError, match="seed"):
        TrainConfig(seed=-1)


def test_the_vocabulary_is_of_the_whole_text(corpus):
    trainer = make(Corpus(corpus.text + "§", "with a character that only the held-out text has"))
    assert "§" in trainer.vocabulary.characters
    assert trainer.vocabulary == Vocabulary.of(corpus.text + "§")
    assert np.isfinite(trainer.validate())


def test_the_path_may_be_a_string(trainer, corpus, tmp_path):
    trainer.save(str(tmp_path / "a"))
    assert Path(tmp_path / "a").stat().st_size > 0
    assert LanguageModelTrainer.resume(str(tmp_path / "a"), corpus).at == 0


def test_saving_every_so_many_seconds_goes_on_to_the_same_bits(corpus, tmp_path):
    whole, path, steps = make(corpus), tmp_path / "a", []
    whole.run()

    class EndError(Exception):
        pass

    def end(trainer):
        steps.append(trainer.at)
        if trainer.at == 13:
            raise EndError

    with pytest.raises(EndError):
        make(corpus).run(end, path, save_every=0.0)
    resumed = LanguageModelTrainer.resume(path, corpus)
    # What was saved before the end, not only at the look at step 8.
    assert resumed.at == 12
    resumed.run()
    assert everything(resumed) == everything(whole)


def test_a_run_that_diverges_names_the_first_number_that_is_not_finite(corpus):
    trainer = make(corpus)
    trainer.step()
    weight = trainer.model.output.weight
    spoilt = weight.numpy().copy()
    spoilt[0, 0] = np.inf
    weight.assign(spoilt)
    before = everything(trainer)
    with pytest.raises(
        EvaluationError, match=r"diverged at step 2: .*\. The first that is not finite: output\.weight held"
    ):
        trainer.step()
    assert everything(trainer) == before
    trainer = make(corpus, lr=1e30)
    with pytest.raises(EvaluationError, match=r"The first that is not finite: .*\[.*\.py:\d+\]|diverged at step"):
        trainer.run()


def test_a_time_limit_ends_a_run_after_saving(corpus, tmp_path):
    trainer = make(corpus, steps=10**6, validate_every=10**6)
    trainer.run(checkpoint=tmp_path / "a", time_limit=0.2)
    assert 0 < trainer.at == trainer.saved_at < 10**6
    resumed = LanguageModelTrainer.resume(tmp_path / "a", corpus)
    assert everything(resumed)[:4] == everything(trainer)[:4]
