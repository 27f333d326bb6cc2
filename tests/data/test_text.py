import codecs
import contextlib
import hashlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.data import Corpus, default_corpus, read_corpus
from tinygrad_lstm.errors import DataError, UsageError


def test_the_default_corpus_is_large_and_the_same_each_time():
    corpus = default_corpus()
    assert len(corpus.text) > 400_000
    assert corpus.sha256 == default_corpus().sha256
    assert repr(corpus) == f"<Corpus 'the Python language reference': {len(corpus.text):,} characters>"


def test_several_files_are_joined_in_the_order_given(tmp_path):
    for name, text in (("a", "ä\r\n"), ("b", "b")):
        (tmp_path / name).write_bytes(text.encode())
    corpus = read_corpus([tmp_path / "b", tmp_path / "a"])
    assert corpus.text == "bä\r\n"
    assert corpus.name == f"{tmp_path / 'b'}, {tmp_path / 'a'}"


def test_the_digest_is_that_of_the_text_in_utf_8():
    assert Corpus("größer", "x").sha256 == hashlib.sha256("größer".encode()).hexdigest()


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa")
    assert read_corpus([tmp_path / "a"]).text == "a"


@given(content=st.binary(min_size=1, max_size=30))
def test_bytes_are_text_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a"
    path.write_bytes(content)
    if b"\0" in content or content.decode("utf-8-sig", "ignore").encode() != content.removeprefix(codecs.BOM_UTF8):
        with pytest.raises(DataError, match=r"a is (binary|not UTF-8)"):
            read_corpus([path])
    elif content != codecs.BOM_UTF8:
        assert read_corpus([path]).text == content.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"abc\0def", "is binary: byte 3 is NUL"),
        (b"\xef\xbb\xbfab\xff", "is not UTF-8: byte 5 is 0xff"),
        ("größer".encode("latin-1"), "is not UTF-8: byte 2 is 0xf6"),
        (b"half a character \xc3", "is not UTF-8: byte 17 is 0xc3"),
    ],
)
def test_content_that_is_no_text(tmp_path, content, said):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_corpus([tmp_path / "a"])


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_corpus([tmp_path / "none"])


def test_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"^.* is a folder; name the text files in it$"):
        read_corpus([tmp_path])


def test_no_path_at_all():
    with pytest.raises(DataError, match="there is no file to read"):
        read_corpus([])


def test_a_path_that_no_system_has():
    with pytest.raises(DataError, match=r"'a\\x00b' cannot be read"):
        read_corpus(["a\0b"])


def test_a_device_that_never_ends():
    with pytest.raises(DataError, match=r"^[^ ]+ is no file of text; name one in UTF-8$"):
        read_corpus([os.devnull if os.name == "nt" else "/dev/zero"])


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("a", encoding="utf-8")

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    # The user who runs the tests may be one who may read everything.
    monkeypatch.setattr("os.open", refused)
    with pytest.raises(DataError, match="may not be read"):
        read_corpus([path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_to_its_end(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("abc",))
    writer.start()
    assert read_corpus([path]).text == "abc"
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_nobody_writes_to_keeps_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.data.reading._PATIENCE", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"^nobody has written to the pipe .* for 0 seconds; name another file$"):
        read_corpus([path])
    # One that writes and then neither goes on nor ends.
    both = os.open(path, os.O_RDWR)
    os.write(both, b"abc")
    with pytest.raises(DataError, match="nobody has written to the pipe"):
        read_corpus([path])
    os.close(both)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_text_without_an_end_is_told_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.data.reading._MOST", 2**21)
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write():
        with contextlib.suppress(BrokenPipeError), path.open("wb") as file:
            while True:
                file.write(b"y\n" * 2**16)

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(DataError, match=r"pipe goes on beyond 0\.00195312 GiB of text; name a smaller text"):
        read_corpus([path])
    writer.join()
    file = tmp_path / "large"
    file.write_bytes(b"y" * 2**20)
    assert len(read_corpus([file, file]).text) == 2**21
    with pytest.raises(DataError, match="large goes on beyond"):
        read_corpus([file, file, file])


def test_a_text_that_does_not_fit_into_the_memory(tmp_path, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    (tmp_path / "a").write_text("a", encoding="utf-8")
    monkeypatch.setattr("os.read", exhausted)
    with pytest.raises(DataError, match="a does not fit into the memory; name a smaller text"):
        read_corpus([tmp_path / "a"])


@pytest.mark.parametrize("paths", ["a.txt", [5], [None], [b"a"]])
def test_what_is_no_list_of_paths(paths):
    with pytest.raises(UsageError, match=r"write read_corpus\(\['a.txt'\]\)|a path is a text or a pathlib.Path, not"):
        read_corpus(paths)


def test_a_text_that_no_file_can_hold():
    with pytest.raises(DataError, match=r"character 2 of the text is '\\ud800', half of a surrogate pair"):
        Corpus("ab\ud800", "x")
    with pytest.raises(UsageError, match="the text of a Corpus is a string, not bytes"):
        Corpus(b"abc", "x")
