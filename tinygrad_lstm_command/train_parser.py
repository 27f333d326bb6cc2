"""The options of ``train``."""

from typing import Any, Final

from tinygrad_lstm_command.arguments import (
    Parser,
    count,
    not_negative,
    number,
    path,
    positive_number,
    probability,
    seed_number,
)

__all__ = ["CELLS", "DEFAULTS", "add_train_options"]

CELLS: Final = ("lstm", "gru", "rnn")
_OPTIMIZERS: Final = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "lion")
_SCHEDULES: Final = ("inverse", "constant", "epochs", "cosine")
DEFAULTS: Final[dict[str, Any]] = {
    "level": "char",
    "min_count": 1,
    "cell": "lstm",
    "hidden": 128,
    "embedding": 64,
    "layers": 1,
    "nonlinearity": "tanh",
    "steps": 1500,
    "window": 64,
    "batch": 32,
    "accumulate": 1,
    "optimizer": "adam",
    "lr": 0.01,
    "schedule": "inverse",
    "decay": 500,
    "hold": 4,
    "divide": 2.0,
    "clip": 1.0,
    "seed": 0,
    "precision": "float32",
}
"""What the help says of options that are left out: the values of TextConfig, ModelConfig and TrainConfig."""


def add_train_options(parser: Parser) -> None:
    """Add the command ``train`` and its options."""
    parser.set_defaults(command="train")
    parser.description = (
        "Train a language model of characters or words. Without FILE the text is the Python language reference that "
        "comes with Python, and without --valid the last tenth of the text is held out."
    )
    parser.add_argument(
        "files", nargs="*", type=path, default=[], metavar="FILE", help="text in UTF-8; several are joined"
    )
    # Options that the user leaves out are absent, since a resumed run takes them from its checkpoint.
    _add_text(parser)
    _add_model(parser)
    _add_dropout(parser)
    _add_training(parser)
    _add_files(parser)
    parser.add_argument(
        "--data-parallel",
        action="store_true",
        default=False,
        help="share each batch among the processes that mpiexec has started: mpiexec -n 4 tinygrad-lstm train …",
    )


def _add_text(parser: Parser) -> None:
    group = parser.add_argument_group("the text")
    group.add_argument("--train", type=path, action="append", metavar="FILE", help="the same as FILE")
    group.add_argument("--valid", type=path, metavar="FILE", help="text that is held out")
    group.add_argument("--test", type=path, metavar="FILE", help="text for the end; its loss is told once")
    group.add_argument(
        "--tokens",
        type=path,
        metavar="FILE",
        help="where the tokens of a text are kept that need not fit into memory; without it those of texts beyond "
        "32 MiB are in the cache. Without a text, its tokens alone are read",
    )
    group.add_argument("--level", choices=("char", "word"), help=f"what is predicted ({DEFAULTS['level']})")
    group.add_argument(
        "--vocabulary", type=count, metavar="N", help="words that are known at most, <eos> and <unk> among them (all)"
    )
    group.add_argument(
        "--min-count", type=count, metavar="N", help=f"a word that is known comes so often ({DEFAULTS['min_count']})"
    )


def _add_model(parser: Parser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument("--cell", choices=CELLS, help=f"the recurrent cell ({DEFAULTS['cell']})")
    group.add_argument("--hidden", type=count, metavar="N", help=f"units in a layer ({DEFAULTS['hidden']})")
    group.add_argument("--embedding", type=count, metavar="N", help=f"numbers for a token ({DEFAULTS['embedding']})")
    group.add_argument("--layers", type=count, metavar="N", help=f"recurrent layers ({DEFAULTS['layers']})")
    group.add_argument("--peephole", action="store_true", help="the LSTM's gates see the cell state")
    group.add_argument("--coupled", action="store_true", help="the LSTM's input gate is 1 − the forget gate")
    group.add_argument("--reset-after", action="store_true", help="the GRU's reset gate acts behind the product")
    group.add_argument("--layer-norm", action="store_true", help="layer normalisation in the cell")
    group.add_argument("--nonlinearity", choices=("tanh", "relu"), help=f"of the RNN ({DEFAULTS['nonlinearity']})")
    group.add_argument(
        "--proj-size", type=count, metavar="N", help="the LSTM's hidden state is a projection to N numbers (none)"
    )
    group.add_argument("--cell-clip", type=positive_number, metavar="X", help="bound on the LSTM's cell state (none)")
    group.add_argument(
        "--proj-clip", type=positive_number, metavar="X", help="bound on the projected hidden state (none)"
    )
    group.add_argument("--tied", action="store_true", help="the output layer has the weights of the embedding")
    group.add_argument(
        "--init-uniform", type=positive_number, metavar="X", help="all parameters start uniform between −X and X"
    )
    group.add_argument(
        "--forget-bias", type=number, metavar="X", help="of the LSTM at the start (1, with --init-uniform 0)"
    )


def _add_dropout(parser: Parser) -> None:
    group = parser.add_argument_group("dropout, as probabilities (0)")
    group.add_argument(
        "--dropout", type=probability, metavar="P", help="of inputs, between layers and of outputs, unless given below"
    )
    group.add_argument("--dropout-embedding", type=probability, metavar="P", help="of a token's whole vector")
    group.add_argument("--dropout-input", type=probability, metavar="P", help="of numbers that enter the first layer")
    group.add_argument("--dropout-layers", type=probability, metavar="P", help="of numbers between two layers")
    group.add_argument("--dropout-output", type=probability, metavar="P", help="of numbers before the output layer")
    group.add_argument(
        "--dropout-recurrent", type=probability, metavar="P", help="of the hidden state, one mask for a window's steps"
    )
    group.add_argument(
        "--dropout-candidate", type=probability, metavar="P", help="of the LSTM's or GRU's candidate, a mask each step"
    )
    group.add_argument("--variational", action="store_true", help="one mask for all steps of a window")


def _add_training(parser: Parser) -> None:
    group = parser.add_argument_group("the training")
    group.add_argument("--steps", type=count, metavar="N", help=f"updates in all ({DEFAULTS['steps']:,})")
    group.add_argument("--epochs", type=count, metavar="N", help="rounds over the text, in place of --steps")
    group.add_argument(
        "--window", type=count, metavar="N", help=f"tokens an update looks back over ({DEFAULTS['window']})"
    )
    group.add_argument("--batch", type=count, metavar="N", help=f"streams read side by side ({DEFAULTS['batch']})")
    group.add_argument(
        "--accumulate",
        type=count,
        metavar="N",
        help=f"batches, of further streams, whose gradients make one update ({DEFAULTS['accumulate']})",
    )
    group.add_argument("--optimizer", choices=_OPTIMIZERS, help=f"({DEFAULTS['optimizer']})")
    group.add_argument("--momentum", type=not_negative, metavar="X", help="of sgd and rmsprop (0)")
    group.add_argument("--weight-decay", type=not_negative, metavar="X", help="of adam, adamw, sgd and lion (0)")
    group.add_argument(
        "--lr", type=positive_number, metavar="X", help=f"the learning rate at the start ({DEFAULTS['lr']})"
    )
    group.add_argument(
        "--schedule",
        choices=_SCHEDULES,
        help="the rate at step s: lr / (1 + s / decay), lr, lr until the epoch --hold and then divided in each by "
        f"--divide, or a cosine from lr to 0 ({DEFAULTS['schedule']})",
    )
    group.add_argument(
        "--decay", type=count, metavar="N", help=f"of inverse: steps to half the rate ({DEFAULTS['decay']:,})"
    )
    group.add_argument(
        "--hold", type=count, metavar="N", help=f"of epochs: rounds before the rate falls ({DEFAULTS['hold']})"
    )
    group.add_argument(
        "--divide", type=positive_number, metavar="X", help=f"of epochs: by what it is divided ({DEFAULTS['divide']:g})"
    )
    group.add_argument(
        "--clip", type=positive_number, metavar="X", help=f"bound on the gradient's norm ({DEFAULTS['clip']})"
    )
    group.add_argument(
        "--sum-over-time",
        action="store_true",
        help="the gradient of the sum of losses over the window, not of their mean: many papers give lr and clip so",
    )
    group.add_argument(
        "--seed", type=seed_number, metavar="N", help=f"of the first weights and dropout ({DEFAULTS['seed']})"
    )
    group.add_argument("--precision", choices=("float32", "float64"), help=f"({DEFAULTS['precision']})")
    group.add_argument(
        "--validate-every",
        type=count,
        metavar="N",
        help="steps between two looks at the held-out text (250, or 25 rounds of a short text; with --epochs a round)",
    )


def _add_files(parser: Parser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument(
        "--config",
        type=path,
        metavar="TOML",
        help="a file with any of these options, which options here replace; or zaremba-small, zaremba-medium, "
        "zaremba-large",
    )
    group.add_argument(
        "--checkpoint", type=path, metavar="PATH", help="saved here at each such look (model.safetensors)"
    )
    group.add_argument(
        "--keep",
        type=count,
        metavar="N",
        help="checkpoints that stay: the newest and N - 1 earlier ones, model.step-250.safetensors, and the best (1)",
    )
    group.add_argument(
        "--save-every", type=positive_number, metavar="SECONDS", help="save besides, whenever so many seconds are over"
    )
    group.add_argument(
        "--time-limit", type=positive_number, metavar="SECONDS", help="save and end once so many seconds are over"
    )
    group.add_argument(
        "--resume",
        type=path,
        nargs="?",
        const=True,
        metavar="PATH",
        help="go on from this checkpoint, bit for bit; without PATH from that of --checkpoint",
    )
    group.add_argument(
        "--overwrite", action="store_true", default=False, help="start anew where the checkpoint holds a model"
    )
    group.add_argument("--log", type=path, metavar="FILE", help="a line of JSON for each 50 steps and each look")
    group.add_argument("--curve", type=path, metavar="FILE", help="the losses as a picture: .svg, .png or .pdf")
    group.add_argument("--tensorboard", type=path, metavar="FOLDER", help="event files for TensorBoard")
