"""``Trainer``: any module and any loss."""

import io
import math
import re
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import CheckpointError, DataError, Error, EvaluationError, UsageError
from tinygrad_lstm.train import Journal, Progress, Trainer, read_journal, save_curve
from tinygrad_lstm.train.updating import detached

RNG = np.random.default_rng(0)
X = RNG.normal(size=(37, 3)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(np.int64)


class Classifier(tl.nn.Module):
    def __init__(self, dropout=0.2):
        self.hidden = tl.nn.Linear(3, 5, key=tl.random.key(1))
        self.dropout = tl.nn.Dropout(dropout, key=tl.random.key(2))
        self.out = tl.nn.Linear(5, 2, key=tl.random.key(3))

    def forward(self, x):
        return self.out(self.dropout(tl.tanh(self.hidden(x))))


def loss(model, batch):
    x, y = batch
    return tl.nn.cross_entropy(model(x), y)


def made(*, dropout=0.2, size=8, batches=None, optimizer=tl.optim.Adam, lr=0.05, **more):
    model = Classifier(dropout)
    batches = tl.data.Batches((X, Y), size, seed=3) if batches is None else batches
    if not more.keys() & {"epochs", "steps"}:
        more["epochs"] = 4
    return Trainer(model, loss, batches, optimizer(model.parameters(), lr=lr), **more)


def assert_alike(one, two):
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-4)


def everything(trainer):
    """All that a trainer has learned, as bytes."""
    parts = {"model": trainer.model.state_dict(), "optimizer": trainer.optimizer.state_dict(), "best": trainer.best}
    found = {f"{part}.{n}": v.numpy().tobytes() for part, values in parts.items() for n, v in values.items()}
    return found, trainer.at, trainer.losses.tobytes(), trainer.validations


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_steps_are_those_of_a_loop_by_hand(backend):
    with tl.use_backend(backend):
        valid = tl.data.Batches((X[:10], Y[:10]), 4)
        trainer = made(dropout=0.0, valid=valid, clip=0.5, schedule=tl.optim.schedules.exponential(0.05, 0.9), epochs=3)
        model = Classifier(0.0)
        optimizer, losses, held_out = tl.optim.Adam(model.parameters(), lr=0.05), [], []
        for epoch in range(3):
            order = np.random.default_rng((3, epoch)).permutation(len(X))
            for at in range(0, len(X), 8):
                rows = order[at : at + 8]
                optimizer.lr = 0.05 * 0.9 ** len(losses)
                optimizer.zero_grad()
                found = loss(model, (X[rows], Y[rows]))
                found.backward()
                tl.optim.clip_grad_norm(model.parameters(), 0.5)
                optimizer.step()
                losses.append(float(found))
            held_out.append(float(loss(model, (X[:10], Y[:10]))))
        trainer.run()
    np.testing.assert_allclose(trainer.losses, losses, rtol=1e-4)
    np.testing.assert_allclose([found for _, found in trainer.validations], held_out, rtol=1e-4)
    assert [step for step, _ in trainer.validations] == [5, 10, 15]
    assert (trainer.at, trainer.epoch, trainer.steps) == (15, 3, 15)
    assert_alike(trainer.model, model)


def test_batches_that_were_interrupted_are_read_again():
    class Interrupted(Loader):
        left = 3

        def __iter__(self):
            for batch in super().__iter__():
                self.left -= 1
                if not self.left:
                    raise KeyboardInterrupt
                yield batch

    whole, part = made(batches=Loader()), made(batches=Interrupted())
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        part.run()
    assert part.at == 2
    part.run()
    assert everything(part) == everything(whole)


class Loader:
    """Batches that can only be iterated over, as those of a PyTorch DataLoader."""

    def __len__(self):
        return 5

    def __iter__(self):
        return iter(tl.data.Batches((X, Y), 8))


BATCHES = {
    "shuffled": lambda: tl.data.Batches((X, Y), 8, seed=3),
    "list": lambda: [(X[k : k + 8], Y[k : k + 8]) for k in range(0, 37, 8)],
    "loader": Loader,
    "function": lambda: lambda epoch: [(X[k::5], Y[k::5]) for k in np.roll(range(5), epoch)],
}


@settings(max_examples=6)
@given(
    kind=st.sampled_from(sorted(BATCHES)),
    at=st.integers(0, 6),
    accumulate=st.integers(1, 3),
    optimizer=st.sampled_from([tl.optim.Adam, tl.optim.SGD]),
    held_out=st.booleans(),
)
def test_a_resumed_run_goes_on_bit_for_bit(tmp_path_factory, kind, at, accumulate, optimizer, held_out):
    path = tmp_path_factory.mktemp("run") / "a.safetensors"
    options = {"accumulate": accumulate, "optimizer": optimizer, "steps": 7, "validate_every": 2}
    if held_out:
        options["valid"] = Loader()
    whole, part = (made(batches=BATCHES[kind](), **options) for _ in range(2))
    whole.run()

    def interrupt(trainer):
        if trainer.at == at:
            raise KeyboardInterrupt

    if at:
        with pytest.raises(KeyboardInterrupt):
            part.run(interrupt, path)
    else:
        part.save(path)
    resumed = made(batches=BATCHES[kind](), **options).resume(path)
    assert (resumed.at, resumed.saved_at, resumed.saved_to) == (at, at, str(path))
    assert everything(resumed) == everything(part)
    resumed.run(checkpoint=path)
    assert everything(resumed) == everything(whole)


class Recurrent(tl.nn.Module):
    def __init__(self):
        self.layer = tl.nn.LSTM(1, 4, key=tl.random.key(0))
        self.head = tl.nn.Linear(4, 1, key=tl.random.key(1))


def recurrent_loss(model, batch, state):
    after, state = model.layer(batch[:-1], state)
    return ((model.head(after) - batch[1:]) ** 2).mean(), state


def test_a_state_is_carried_through_an_epoch_and_resumed(tmp_path):
    waves = np.sin(np.linspace(0, 20, 61))[:, None, None].repeat(2, 1).astype(np.float32)
    windows = [waves[at : at + 11] for at in range(0, 60, 10)]

    def trained(**more):
        model = Recurrent()
        optimizer = tl.optim.Adam(model.parameters(), lr=0.01)
        options = {"state": model.layer.zeros(2), "valid": windows, "epochs": 3, **more}
        return Trainer(model, recurrent_loss, windows, optimizer, **options)

    whole, part = trained(), trained()
    whole.run()
    # By hand: the first losses of an epoch, each from the state that the window before left.
    model = Recurrent()
    state = model.layer.zeros(2)
    optimizer = tl.optim.Adam(model.parameters(), lr=0.01)
    for k in range(8):
        state = model.layer.zeros(2) if k % 6 == 0 else detached(state)
        found, state = recurrent_loss(model, tl.tensor(windows[k % 6]), state)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        assert math.isclose(float(found), whole.losses[k], rel_tol=1e-4)
    for _ in range(9):
        part.step()
    part.save(tmp_path / "a")
    part.step()
    resumed = trained().resume(tmp_path / "a")
    resumed.step()
    assert resumed.losses == part.losses
    # With several batches in an update the state goes on from one to the next.
    model = Recurrent()
    still = tl.optim.SGD(model.parameters(), lr=0.0)
    one = Trainer(model, recurrent_loss, windows, still, state=model.layer.zeros(2), epochs=1)
    one.run()
    assert math.isclose(trained(accumulate=6).step(), sum(one.losses) / 6, rel_tol=1e-5)


@pytest.mark.parametrize("optimizer", [tl.optim.SGD, tl.optim.Adam])
@pytest.mark.parametrize("accumulate", [2, 4, 9])
def test_accumulated_batches_are_one_large_batch(accumulate, optimizer):
    """Ragged ones too: each counts by its examples."""
    options = {"dropout": 0.0, "epochs": 3, "clip": 0.3, "optimizer": optimizer}
    whole = made(batches=tl.data.Batches((X, Y), 5 * accumulate), **options)
    parts = made(batches=tl.data.Batches((X, Y), 5), accumulate=accumulate, **options)
    assert whole.steps == parts.steps
    for trainer in (whole, parts):
        trainer.run()
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-4)
    assert_alike(parts.model, whole.model)


def test_callbacks_are_called_in_order_after_steps_and_validations():
    heard = []

    def first(trainer):
        heard.append(("first", trainer.at, len(trainer.validations)))

    def second(trainer):
        heard.append(("second", trainer.at, len(trainer.validations)))
        if len(trainer.validations) == 2:
            trainer.stop()

    trainer = made(valid=Loader(), steps=10, validate_every=2, callbacks=[first, second])
    trainer.run(lambda trainer: heard.append(("report", trainer.at, len(trainer.validations))))
    events = [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 2)]
    assert heard == [(who, *event) for event in events for who in ("first", "second", "report")]
    assert trainer.at == 4
    trainer.run()  # goes on
    assert trainer.at == 5


def test_a_number_that_is_not_finite_is_traced_to_its_line():
    trainer = made(dropout=0.0)
    trainer.step()
    trainer.model.out.bias.assign(np.array([1.0, np.nan], np.float32))
    before = everything(trainer)
    said = r"diverged at step 2: the loss is nan .* take a smaller lr, or clip\. The first that is not finite: "
    with pytest.raises(EvaluationError, match=said + r"out\.bias held such numbers before; .*test_trainer\.py:"):
        trainer.step()
    assert everything(trainer) == before
    assert all(p.grad is None for p in trainer.model.parameters())

    def spoilt(model, batch):
        return tl.log(model(batch[0]).sum() * 0.0 - 1.0)

    model = Classifier()
    with pytest.raises(EvaluationError, match=r"step 1: .* first that is not finite: .*log.*test_trainer\.py:\d+"):
        Trainer(model, spoilt, Loader(), epochs=1).step()


def test_the_time_is_limited_and_checkpoints_are_kept(tmp_path, monkeypatch):
    trainer = made(valid=Loader(), epochs=4, validate_every=1)
    monkeypatch.setattr("tinygrad_lstm.train.loop.time.monotonic", lambda: float(trainer.at))
    losses = iter([3.0, 1.0, *[2.0] * 30])
    monkeypatch.setattr(Trainer, "validate", lambda _: next(losses))
    trainer.run(checkpoint=tmp_path / "a.st", keep=3, time_limit=8.5)
    assert trainer.at == 9
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"a.st", "a.step-8.st", "a.step-7.st", "a.step-2.st"}
    (tmp_path / "a.st").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match=r"the one before it is whole: resume\('.*a\.step-8\.st'\)"):
        made(valid=Loader(), epochs=4).resume(tmp_path / "a.st")
    # Without held-out data one is written after each epoch, and after so many seconds.
    trainer = made(epochs=3, callbacks=lambda trainer: written.append(trainer.saved_at))
    written = []
    trainer.run(checkpoint=tmp_path / "b.st", save_every=2.5)
    assert written == [None, None, None, 3, 3, 5, 5, 5, 8, 8, 10, 10, 10, 13, 13]
    assert trainer.saved_at == 15


def test_reports_speak_of_steps(tmp_path):
    trainer = made(valid=Loader(), steps=4)
    stream = io.StringIO()
    with Progress(trainer, stream) as progress, Journal(trainer, tmp_path / "log") as journal:
        trainer.callbacks = (progress, journal)
        trainer.run()
    assert trainer.validate() == trainer.validations[0][1]  # nothing is dropped
    first, last = stream.getvalue().splitlines()
    assert re.fullmatch(r"step 1 of 4: loss \d\.\d{3}", first)
    assert re.fullmatch(r"step 4 of 4: loss \d\.\d{3}, held-out \d\.\d{3}, [\d.,]+ steps/s, 0 s left", last)
    assert [line["held_out"] for line in read_journal(tmp_path / "log")] == [trainer.validations[0][1]]
    pytest.importorskip("matplotlib")
    save_curve(trainer, tmp_path / "curve.svg")


def test_parameters_that_an_update_does_not_read_stay():
    class Two(tl.nn.Module):
        def __init__(self):
            self.a, self.b = tl.Parameter(1.0), tl.Parameter(2.0)

    for accumulate in (1, 2):
        model = Two()
        trainer = Trainer(
            model,
            lambda model, x: (model.a * x.mean() - 1.0) ** 2,
            [np.ones(3, np.float32) * 2] * 4,
            tl.optim.SGD(model.parameters(), lr=0.1),
            epochs=10,
            accumulate=accumulate,
        )
        trainer.run()
        assert float(model.b) == 2.0
        assert abs(float(model.a) - 0.5) < 1e-3


def test_slips_are_one_sentence(tmp_path):
    made().save(tmp_path / "a")
    tl.save(tmp_path / "weights", Classifier())
    big = tl.nn.Linear(3, 2)
    again = Trainer(big, loss, Loader(), epochs=1)
    model = Classifier()

    def with_(*given, **more):
        return lambda: Trainer(*given, **{"epochs": 1, **more})

    lines = [
        (with_("text", loss, Loader()), "not str first; .*LanguageModelTrainer"),
        (with_(model, tl.nn.cross_entropy, Loader()), r"write lambda model, batch: tl\.nn\.cross_entropy"),
        (with_(model, 3, Loader()), "function of the model and a batch"),
        (with_(model, loss, iter([])), "is an iterator, .*resumed"),
        (with_(model, loss, {"x": X}), r"not dict; write tl\.data\.Batches"),
        (with_(model, loss, []), "holds no batch"),
        (with_(model, loss, Loader(), tl.optim.Adam), r"not Adam; write tl\.optim\.Adam\(model"),
        (with_(model, loss, Loader(), tl.optim.Adam(big.parameters())), "parameters that the model does not have"),
        (with_(model, loss, Loader(), epochs=None), "give epochs or steps"),
        (with_(model, loss, Loader(), steps=3), "give epochs or steps"),
        (with_(model, loss, Loader(), epochs=0), "epochs is an integer of at least 1, not 0"),
        (with_(model, loss, Loader(), epochs=None, steps=1.5), r"steps is an integer of at least 1, not 1\.5"),
        (with_(model, loss, Loader(), accumulate=True), "accumulate is an integer"),
        (with_(model, loss, Loader(), clip=-1), "clip is a number above 0, not -1"),
        (with_(model, loss, Loader(), schedule=0.1), "schedule is a function of the step, not float"),
        (with_(model, loss, Loader(), callbacks=[1]), "int is no function"),
        (with_(model, loss, Loader(), valid=3), "valid is a sequence of batches, not int"),
        (lambda: with_(model, loss, Loader())().validate(), r"Trainer\(…, valid=batches\)"),
        (lambda: with_(model, lambda f, b: f(b[0]), Loader())().step(), r"tensor of shape \(\), not f32\[.*\.mean\(\)"),
        (lambda: with_(model, lambda f, b: None, Loader())().step(), "not NoneType"),
        (
            lambda: with_(model, lambda f, b, s: s, Loader(), state=np.zeros(2))().step(),
            "returns the loss and the state after it",
        ),
        (lambda: made().resume(tmp_path / "weights"), r"no checkpoint of a tl\.train\.Trainer"),
        (lambda: again.resume(tmp_path / "a"), "is of another model or optimiser"),
        (lambda: made(optimizer=tl.optim.SGD).resume(tmp_path / "a"), "is of another model or optimiser"),
        (lambda: made(size=9, accumulate=2).resume(tmp_path / "a"), "5 updates in an epoch and accumulate=1, not"),
        (lambda: tl.data.Batches((X, Y[1:]), 3), "37, 36 examples"),
        (lambda: tl.data.Batches(X, 3)[:2], "by its number, not by slice"),
        (lambda: tl.data.Batches(X, 3, seed=-1), "seed is an integer of at least 0, not -1"),
        (lambda: tl.data.Batches(X, 0), "size is an integer of at least 1, not 0"),
        (lambda: tl.data.Batches(X, 99, drop_last=True), "make no batch of 99"),
    ]
    for line, said in lines:
        with pytest.raises(Error, match=said) as found:
            line()
        assert isinstance(found.value, UsageError | CheckpointError | DataError)
        assert "\n" not in str(found.value)
    trainer = made(epochs=2)
    trainer.run(checkpoint=tmp_path / "b")
    with pytest.raises(UsageError, match="is at step 10 already, and 5 are wanted"):
        made(epochs=1).resume(tmp_path / "b")
    with pytest.raises(CheckpointError, match=r"`tinygrad-lstm train` writes"):
        tl.train.load_model(tmp_path / "b")
    # A loader that is over earlier than it says.
    short = Loader()
    short.__class__ = type("Short", (Loader,), {"__len__": lambda self: 9})
    trainer = made(batches=short, epochs=1)
    with pytest.raises(DataError, match="has a length of 9 batches, and gave 5"):
        trainer.run()
    assert isinstance(trainer.losses, array)
    assert trainer.at == 5
