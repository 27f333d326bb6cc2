"""Agreement: the grammar, the files of Linzen et al., the models, and the unit that carries the number."""

import itertools

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DataError, UsageError
from tinygrad_lstm.tasks.agreement import (
    agreement_table,
    asked_clauses,
    clamp_unit,
    clause,
    errors_by_attractors,
    find_number_unit,
    from_grammar,
    picture_of_unit,
    read_dependencies,
    train_sentences,
    unit_lines,
    values_along,
)
from tinygrad_lstm.tasks.agreement.grammar import INDEX, MOST_NOUNS, PAIR, PLURAL, SINGULAR, STEPS, WORDS

NOUNS = {"dog": 0, "cat": 0, "bird": 0, "girl": 0, "boy": 0, "horse": 0}
NOUNS |= {f"{noun}s": 1 for noun in NOUNS}
INNER = {"sees": 0, "hears": 0, "likes": 0, "see": 1, "hear": 1, "like": 1}


def subjects(words):
    """The place and number of each verb of a clause, by a parser of its own: a stack of the subjects that wait."""
    main = words.index(",") + 1 if "," in words else 0
    waiting, found = [], []
    latest = None
    k = main
    while k < len(words):
        word = words[k]
        if word in NOUNS:
            latest = NOUNS[word]
            if not waiting:
                waiting.append(latest)
            elif waiting[-1] is None:
                waiting[-1] = latest
        elif word == "that":
            if words[k + 1] in INNER:
                found.append((k + 1, latest))
                k += 1
            else:
                waiting.append(None)
        elif word in INNER:
            found.append((k, waiting.pop()))
        k += 1
    return [*found, (len(words), waiting.pop())], waiting


def test_every_verb_of_the_grammar_agrees_with_its_subject():
    random = np.random.default_rng(0)
    longest = 0
    for _ in range(500):
        numbers = random.integers(2, size=random.integers(1, MOST_NOUNS + 2)).tolist()
        one = clause(random, numbers)
        found, waiting = subjects(list(one.words))
        assert waiting == []
        assert sorted(found) == sorted((place, int(plural)) for place, plural in one.verbs)
        for place, plural in one.verbs[:-1]:
            assert INNER[one.words[place]] == plural
        assert NOUNS[one.words[one.subject]] == one.plural == numbers[0]
        between = [NOUNS[word] for word in one.words[one.subject + 1 :] if word in NOUNS]
        assert len(between) == one.nouns == len(numbers) - 1
        assert sum(number != one.plural for number in between) == one.attractors
        longest = max(longest, len(one.words) + 2)
    assert longest <= STEPS
    assert set(itertools.chain.from_iterable(PAIR)) <= set(WORDS)


@pytest.mark.parametrize("attractors", range(5))
def test_in_the_test_all_other_nouns_are_attractors(attractors):
    asked = asked_clauses(attractors, 50)
    assert all(one.attractors == one.nouns == attractors for one in asked)
    assert 0 < sum(one.plural for one in asked) < 50


def test_sentences_are_encoded():
    corpus = from_grammar(20, most=2)
    drawn = corpus.draw(np.random.default_rng(0), 200)
    for k in range(200):
        words = [WORDS[w] for w in drawn.words[: drawn.ends[k], k]]
        assert words[-1] == "."
        asked = words[drawn.last[k] + 1]
        plural = INDEX[asked] in PLURAL or INNER.get(asked) == 1
        assert plural or INDEX[asked] in SINGULAR or INNER[asked] == 0
        assert plural == drawn.plural[k]
    assert len(set(drawn.last)) > 5


LINES = """sentence\torig_sentence\tverb_pos\tsubj_index\tverb_index\tn_intervening\tn_diff_intervening
the keys to the cabinet are here\tx\tVBP\t2\t6\t1\t1
the key is here\tx\tVBZ\t2\t3\t0\t0
"""


def test_files_of_dependencies_are_read(tmp_path):
    path = tmp_path / "agr.tsv"
    path.write_text(LINES + "".join(LINES.splitlines(keepends=True)[1:] * 9), encoding="utf-8")
    corpus = read_dependencies(path, vocabulary=7, tested=0.2)
    assert corpus.words[0] == "<unk>"
    assert len(corpus.words) == 8
    assert {n: some.words.shape[1] for n, some in corpus.asked.items()} == {0: 2, 1: 2}
    assert [corpus.words[w] for w in corpus.asked[0].words[:2, 0]] == ["the", "key"]
    assert corpus.asked[1].plural.all()
    assert not corpus.asked[0].plural.any()
    assert corpus.asked[1].last.tolist() == [4, 4]
    assert not corpus.asked[1].words[5:].any()  # the verb is not shown
    assert corpus.training.words.shape[1] == 16
    trained = train_sentences(corpus, "gru", trials=2, steps=40, batch=8, hidden=4, rate=0.05)
    assert all(shares.max() == 0 for shares in errors_by_attractors(trained).values())
    with pytest.raises(UsageError, match="asked for verbs of both numbers"):
        train_sentences(corpus, "gru", "language", steps=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tverb\n", r"no column 'verb_pos'; a file of Linzen et al. 2016 begins with a line of the names"),
        ("", "no column 'sentence'"),
        (LINES.replace("VBZ", "VBD"), "line 3: verb_pos is VBZ or VBP"),
        (LINES.replace("\t2\t3\t", "\t2\tx\t"), "line 3: verb_pos is VBZ or VBP, and indices and counts are integers"),
        (LINES, "has 2 sentences of at most 50 words, too few to train and to test"),
    ],
)
def test_mistakes_in_files_are_told(tmp_path, text, message):
    path = tmp_path / "agr.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_dependencies(path)


@pytest.fixture(scope="module")
def trained():
    return train_sentences(from_grammar(40, most=2), "lstm", trials=2, steps=60, batch=8, hidden=6, rate=0.03)


def test_a_quick_run(trained):
    errors = errors_by_attractors(trained)
    assert list(errors) == [0, 1, 2]
    assert all(shares.shape == (2,) and (shares >= 0).all() and (shares <= 1).all() for shares in errors.values())
    assert errors[0].mean() < 0.5
    table = agreement_table([trained], [errors])
    assert table.splitlines()[0].split("|")[3].strip() == "0 attractors"
    assert len({len(line) for line in table.splitlines()}) == 1


def test_a_language_model_chooses_among_the_verbs():
    trained = train_sentences(from_grammar(10, most=1), "rnn", "language", trials=2, steps=3, batch=4, hidden=5)
    scores = np.random.default_rng(0).normal(size=(3, len(WORDS))).astype(np.float32)
    shares = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    plural, singular = shares[:, PLURAL].sum(axis=-1), shares[:, SINGULAR].sum(axis=-1)
    np.testing.assert_allclose(trained.chances(tl.tensor(scores)).numpy(), plural / (plural + singular), rtol=1e-5)
    assert errors_by_attractors(trained)[1].shape == (2,)


def test_what_the_cell_computes_along_sentences(trained):
    sentences = [list(one.words) for one in asked_clauses(1, 3)]
    values = values_along(trained, sentences, 1)
    forget, into, candidate, cell = (values[name] for name in ("forget", "input", "candidate", "cell"))
    before = np.concatenate([np.zeros_like(cell[:1]), cell[:-1]])
    np.testing.assert_allclose(cell, forget * before + into * candidate, atol=1e-6)
    np.testing.assert_allclose(values["hidden"], values["output"] * np.tanh(cell), atol=1e-6)
    assert set(values) == {"forget", "input", "candidate", "output", "cell", "hidden"}


def test_the_number_unit_is_found_and_clamped(trained):
    """A network whose unit 2 is made to carry the number of the first noun and to decide the verb alone."""
    cell, model, size = trained.model.cell, trained.model, 6
    kept = [p.numpy().copy() for p in model.parameters()]
    vectors = np.zeros(model.embedding.shape, np.float32).reshape(2, len(WORDS), -1)
    for word, number in NOUNS.items():
        vectors[:, INDEX[word], 0] = 1 if number else -1
    weight, bias = np.zeros(cell.weight.shape, np.float32), np.zeros(cell.bias.shape, np.float32)
    bias[..., :size], bias[..., size : 2 * size], bias[..., 3 * size :] = 9, 9, 9  # all open
    weight[:, size, 2 * size + 2] = 0.5
    output = np.zeros(model.weight.shape, np.float32)
    output[:, 2, 0] = 4
    values = {"embedding": vectors.reshape(-1, vectors.shape[-1]), "cell.weight": weight, "cell.bias": bias}
    for name, p in model.named_parameters():
        p.assign(values.get(name, output if name == "weight" else np.zeros(p.shape, np.float32)))
    found = find_number_unit(trained, count=40, nouns=0)
    assert (found.unit, found.share, found.probe) == (2, 1.0, 1.0)
    assert found.singular < -0.3
    assert found.plural > 0.3
    clamped = clamp_unit(trained, found, attractors=0, count=20)
    assert clamped.free == 0.0
    assert clamped.best == {1: 1.0, 2: 1.0, 4: 1.0}
    assert clamped.other == 0.0
    assert found.order[0] == 2
    assert sorted(found.order) == list(range(6))
    assert "one threshold is right at 100.0 % of the words" in "\n".join(unit_lines(found, clamped))
    for p, value in zip(model.parameters(), kept, strict=True):
        p.assign(value)


def test_the_picture_of_the_unit(trained, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture of a unit is drawn by matplotlib")
    picture = picture_of_unit(trained, find_number_unit(trained, count=10))
    assert "after “the dog” and" in picture.description
    drawn = picture.save(tmp_path / "unit.svg").read_text(encoding="utf-8")
    assert "dog/dogs" in drawn
    assert picture.save(tmp_path / "unit.svg").read_text(encoding="utf-8") == drawn


def test_mistakes_in_training(trained):
    corpus = from_grammar(4, most=1)
    with pytest.raises(UsageError, match="the objective is one of number, language, not 'verbs'"):
        train_sentences(corpus, "lstm", "verbs")
    with pytest.raises(UsageError, match="looked for in the cell state of an lstm, which a rnn has not"):
        find_number_unit(train_sentences(corpus, "rnn", steps=1, trials=1))
