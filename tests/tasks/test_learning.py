"""The networks of many trials against the cells of nn, and the trials against each other."""

from dataclasses import replace

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.tasks import (
    TASKS,
    Blocks,
    Data,
    OnTest,
    Protocol,
    Recent,
    Sequences,
    Task,
    TrialNetwork,
    endless,
    make_task,
    results_page,
    results_table,
    run_trials,
)
from tinygrad_lstm.tasks.counting import parity_bits
from tinygrad_lstm.tasks.learning import Learner, make_network
from tinygrad_lstm.tasks.trial_network import comparable_hidden

WEIGHTS = {"reber": 276, "lag-a": 10_504, "lag-c": 364, "adding": 93, "multiplication": 93, "order-2": 156}


def randoms(count, seed=0):
    return [np.random.default_rng([seed, k]) for k in range(count)]


def filled(network, seed=5):
    """The network with random biases too."""
    random = np.random.default_rng(seed)
    for p in network.parameters():
        p.assign(random.normal(0, 0.5, p.shape).astype(np.float32))
    return network


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_each_trial_is_a_layer_of_nn(kind):
    network = filled(TrialNetwork(kind, 4, 3, 2, randoms(3), 0.1))
    x = np.random.default_rng(0).normal(size=(6, 3, 5, 3)).astype(np.float32)
    scores = network(tl.tensor(x)).numpy()
    cell = network.cell
    for k in range(3):
        layer = {"rnn": tl.nn.RNN, "gru": tl.nn.GRU, "lstm": tl.nn.LSTM}[kind](3, 4, key=tl.random.key(0))
        parts = {"rnn": ["hidden"], "gru": ["update", "reset"], "lstm": ["forget", "input", "candidate", "output"]}[
            kind
        ]
        weights = np.split(cell.weight.numpy()[k], len(parts), axis=-1)
        biases = np.split(cell.bias.numpy()[k, 0], len(parts))
        if kind == "gru":
            parts, weights = [*parts, "candidate"], [*weights, cell.candidate_weight.numpy()[k]]
            biases = [*biases, cell.candidate_bias.numpy()[k, 0]]
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            getattr(layer.cells[0], part).weight.assign(weight)
            getattr(layer.cells[0], part).bias.assign(bias)
        h, _ = layer(tl.tensor(x[:, k]))
        expected = h.numpy() @ network.weight.numpy()[k] + network.bias.numpy()[k]
        np.testing.assert_allclose(scores[:, k], expected, atol=2e-6)


def squashed(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("biased", ["all", "gates", "none"])
@pytest.mark.parametrize("output_gate", [True, False])
@pytest.mark.parametrize("recurrent", [True, False])
def test_memory_blocks_are_those_of_the_paper(biased, output_gate, recurrent):
    ranges = (1.0, 2.0) if recurrent else None
    blocks = Blocks(3, 2, biased=biased, output_gate=output_gate, recurrent=recurrent, ranges=ranges)
    network = filled(TrialNetwork("lstm", blocks, 4, 2, randoms(2), 0.1, direct=True, biased=False))
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    scores = network(tl.tensor(x.astype(np.float32))).numpy()
    cell, gates = network.cell, 6 if output_gate else 3
    for k in range(2):
        units, total = np.zeros((3, 6 + gates)), np.zeros((3, 6))
        for t in range(5):
            seen = np.concatenate([units, x[t, k]], axis=-1) if recurrent else x[t, k]
            net = seen @ cell.weight.numpy()[k]
            net[:, :gates] += cell.gate_bias.numpy()[k] if biased != "none" else 0
            net[:, gates:] += cell.cell_bias.numpy()[k] if biased == "all" else 0
            opened = squashed(net[:, :gates])
            g = 2 * squashed(net[:, gates:]) - 1 if recurrent else squashed(net[:, gates:])
            total = total + np.repeat(opened[:, :3], 2, axis=-1) * g
            h = 4 * squashed(total) - 2 if recurrent else total
            h = h * (np.repeat(opened[:, 3:], 2, axis=-1) if output_gate else 1)
            units = np.concatenate([h, opened], axis=-1)
            expected = np.concatenate([h, x[t, k]], axis=-1) @ network.weight.numpy()[k]
            np.testing.assert_allclose(scores[t, k], expected, atol=1e-5)


def test_the_gradient_of_memory_blocks_flows_through_the_sums_alone():
    """Truncated: of the last step's units nothing comes back, so one step is the whole gradient by them."""
    network = filled(TrialNetwork("lstm", Blocks(2, 1), 1, 1, randoms(1), 0.1))
    state = network.cell.nothing(1)
    x = tl.tensor(np.ones((1, 1, 1), np.float32))

    def sums(units, total):
        (_, after), _ = network.cell(x, (units, total))
        return after.sum()

    by_units, by_total = tl.grad(sums, (0, 1))(state[0] + 0.3, state[1] + 0.3)
    assert not by_units.numpy().any()
    assert by_total.numpy().ravel().tolist() == [1, 1]


@pytest.mark.parametrize(("name", "weights"), WEIGHTS.items())
def test_networks_have_as_many_weights_as_in_the_paper(name, weights):
    task = make_task(name)
    protocol = task.protocol("1997")
    assert make_network(task, protocol, "lstm", randoms(1)).size == weights
    for cell in ("rnn", "gru"):
        assert make_network(task, protocol, cell, randoms(1)).size == pytest.approx(weights, rel=0.2)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("direct", "biased"), [(False, True), (True, False)])
def test_comparable_sizes_are_the_nearest(cell, direct, biased):
    sizes = {h: TrialNetwork(cell, h, 3, 2, randoms(1), 0.1, direct=direct, biased=biased).size for h in range(1, 16)}
    for weights in range(10, 300, 37):
        found = comparable_hidden(cell, weights, 3, 2, direct=direct, biased=biased)
        assert abs(sizes[found] - weights) == min(abs(size - weights) for size in sizes.values())


def easy(batch=4, success=None, **options):
    """Say whether the first of four bits is 1."""

    def make(random, count):
        some = parity_bits(random, count, 4)
        targets = np.repeat((some.inputs[:1] > 0).astype(np.float32), 4, axis=0)
        return replace(some, targets=targets)

    protocol = Protocol(
        {"lstm": 3}, 0.05, 4000, batch, "adam", success=success or Recent(100, 1), **{"clip": 1.0, **options}
    )
    return Task("easy", "Easy", "", "", "", 1, 1, "bits", 0.5, endless(make, 50), {"modern": protocol})


def test_a_trial_is_the_same_alone_and_among_others():
    task = easy()
    three = run_trials(task, task.protocol(), "lstm", 3, seed=4)
    one = run_trials(task, task.protocol(), "lstm", 1, seed=4)
    assert len(three.solved) == 3
    assert one.trials[0].needed == three.trials[0].needed
    assert one.trials[0].error == pytest.approx(three.trials[0].error, rel=1e-3)
    assert len({trial.needed for trial in three.trials}) > 1


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_backends_agree_on_a_trial(backend):
    task = easy()
    with tl.use_backend(backend):
        assert run_trials(task, task.protocol(), "gru", 2).trials[1].needed == pytest.approx(700, rel=0.9)


def test_a_trial_succeeds_when_its_last_sequences_were_right():
    task = easy(success=Recent(40, 1))
    short = run_trials(task, task.protocol(), "lstm", 2)
    long = run_trials(task, replace(task.protocol(), success=Recent(400, 1)), "lstm", 2)
    for quick, slow in zip(short.trials, long.trials, strict=True):
        assert 40 <= quick.needed < slow.needed
        assert quick.needed % 4 == 0
        assert slow.needed >= 400
    assert all(trial.wrong == 0 for trial in long.trials)


def test_a_trial_succeeds_when_its_test_is_right():
    task = easy(success=OnTest(1.0, 300))
    found = run_trials(task, task.protocol(), "lstm", 2)
    assert all(trial.wrong == 0 for trial in found.solved)
    assert len(found.solved) == 2


def test_a_trial_fails_at_its_limit():
    task, seen = easy(), []
    found = run_trials(task, task.protocol(), "rnn", 2, limit=60, watch=lambda at, done: seen.append((at, done)))
    assert found.solved == ()
    assert seen[-1] == (60, 0)
    assert f"> {60:,}" in results_table(task.protocol(), [found])
    assert "0 of 2" in results_table(task.protocol(), [found])


@pytest.mark.parametrize("way", ["1997", "modern"])
def test_outputs_learn_from_the_inputs_alone_before_the_hidden_layer_is_added(way):
    """The direct weights learn what needs no memory, and only then the cells move."""
    task = make_task("lag-a", 8)
    protocol = replace(task.protocol(way), alone=20)
    network = make_network(task, protocol, "lstm", randoms(2))
    learner = Learner(task, protocol, network)
    sources = [task.data(random) for random in randoms(2, seed=1)]
    first = {name: p.numpy().copy() for name, p in network.named_parameters()}
    assert learner.learn(sources, 20)[1] == 20
    after = {name: p.numpy().copy() for name, p in network.named_parameters()}
    assert (after["cell.weight"] == first["cell.weight"]).all()
    units = network.cell.hidden
    assert (after["weight"][:, :units] == first["weight"][:, :units]).all()
    assert (after["weight"][:, units:] != first["weight"][:, units:]).any()
    learner.learn(sources, 20)
    assert (network.cell.weight.numpy() != after["cell.weight"]).any(axis=(1, 2)).all()
    assert (network.weight.numpy()[:, 0] != after["weight"][:, 0]).any(axis=1).all()


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 2)])
def test_gates_start_with_memories_of_all_lengths(cell, gates):
    """Alone, by its bias, the state of a unit falls to 1/e in 1 to ``lag`` steps, and takes in as it forgets."""
    task = make_task("adding", 40)
    network = make_network(task, replace(task.protocol("modern"), hidden={"lstm": 200, "gru": 200}), cell, randoms(2))
    kept = 1 / (1 + np.exp(-network.cell.bias.numpy()[:, 0].reshape(2, gates, 200)))
    if cell == "lstm":
        np.testing.assert_allclose(kept[:, 1], 1 - kept[:, 0], atol=1e-6)
        assert (kept[:, 2:] == 0.5).all()
    else:
        kept[:, 0] = 1 - kept[:, 0]
    steps = 1 / -np.log(kept[:, 0])
    assert 1 < steps.min() < 3
    assert 38 < steps.max() < 41
    assert 15 < np.median(steps) < 25


def test_a_memory_cell_that_is_added_later_learns_sooner():
    task = make_task("lag-a", 8)
    protocol = replace(task.protocol("1997"), alone=200)
    assert str(protocol).startswith("SGD with rate 1, 1 sequence an update, first weights between ±0.2, hidden units")
    added = run_trials(task, protocol, "lstm", 3, limit=2500)
    at_once = run_trials(task, replace(protocol, alone=0), "lstm", 3, limit=2500)
    assert len(added.solved) > len(at_once.solved)


def test_weights_are_kept_as_they_were_at_success():
    """What a trial learns, or spoils, after it has met the criterion, is not in its test."""
    steps = np.random.default_rng(0).normal(size=(4, 256, 1)).astype(np.float32)
    known = Sequences(steps, (steps > 0).astype(np.float32), np.ones((4, 256), np.float32))
    task = replace(easy(), data=lambda _: Data(lambda count: known.at(np.arange(count)), lambda: known))
    protocol = replace(task.protocol("modern"), batch=16, rate=0.1, success=Recent(32, 33))
    learned = run_trials(task, protocol, "lstm", 2)
    stopped = run_trials(task, protocol, "lstm", 2, limit=32)
    assert [trial.needed for trial in learned.trials] == [32, 32]
    for a, b in zip(learned.trials, stopped.trials, strict=True):
        assert a.error == pytest.approx(b.error, rel=1e-4)


def test_one_trial_is_clipped_by_its_own_gradient():
    """A bound that only one of two trials reaches changes that one alone."""
    task = easy()
    free = run_trials(task, replace(task.protocol(), clip=None), "lstm", 2, limit=200)
    loose = run_trials(task, replace(task.protocol(), clip=1e9), "lstm", 2, limit=200)
    for a, b in zip(free.trials, loose.trials, strict=True):
        assert a.error == pytest.approx(b.error, rel=1e-4)


@pytest.mark.parametrize("name", TASKS)
def test_a_quick_run_of_every_task(name):
    if name == "digits":
        pytest.importorskip("sklearn", reason="the images of the task digits come with scikit-learn")
    task = make_task(name, {"lag-a": 8, "lag-c": 5, "adding": 20, "multiplication": 20, "copy": 4, "dyck": 8}.get(name))
    for way, protocol in task.protocols.items():
        cells = ("lstm", "rnn") if way == "modern" else ("lstm",)
        found = [run_trials(task, protocol, cell, 2, limit=2 * protocol.batch) for cell in cells]
        assert all(len(result.trials) == 2 for result in found)
        assert all(np.isfinite(trial.error) for result in found for trial in result.trials)
    page = results_page(task, "modern", found, "the command", "The machine.")
    assert page.startswith(f"# {task.title}, today's way\n")
    assert "```bash\nthe command\n```\n\nThe machine.\n" in page


def test_mistakes_in_protocols():
    with pytest.raises(UsageError, match="input_bias has 1 numbers for 2 blocks; give one for each"):
        Blocks(2, 1, input_bias=(-1,))
    with pytest.raises(UsageError, match="biased is one of all, gates, none, not 'some'"):
        Blocks(2, 1, biased="some")
    with pytest.raises(UsageError, match="optimizer is sgd or adam, not 'lion'"):
        Protocol({"lstm": 1}, 0.1, 10, optimizer="lion")
    with pytest.raises(UsageError, match="alone needs outputs that see the inputs; give direct=True"):
        Protocol({"lstm": 1}, 0.1, 10, alone=5)
    with pytest.raises(UsageError, match="lag is at least 1 step, not 0"):
        Protocol({"lstm": 1}, 0.1, 10, lag=0)
    with pytest.raises(UsageError, match="hidden has no lstm"):
        Protocol({"gru": 1}, 0.1, 10)
    with pytest.raises(UsageError, match="cell is one of lstm, gru, rnn, not 'cnn'"):
        TrialNetwork("cnn", 1, 1, 1, randoms(1), 0.1)
    with pytest.raises(UsageError, match="answers are one of number, class, bits, not 'words'"):
        replace(easy(), answers="words")
