"""Updates from several batches, whose gradients are added up."""

import numpy as np
import pytest

from tests.train.test_parallel import assert_alike, folder, needs_mpi, run
from tinygrad_lstm.data import Corpus
from tinygrad_lstm.errors import EvaluationError
from tinygrad_lstm.train import LanguageModelTrainer, ModelConfig, TrainConfig

__all__ = ["folder"]

TEXT = Corpus("To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n" * 6, "Hamlet")


def made(batch, accumulate, **more):
    config = TrainConfig(steps=25, window=4, batch=batch, accumulate=accumulate, precision="float64", **more)
    return LanguageModelTrainer(TEXT, ModelConfig(hidden=6, embedding=5, layers=2), config)


@pytest.mark.parametrize("more", [{}, {"sum_over_time": True, "clip": 0.5, "optimizer": "sgd"}])
@pytest.mark.parametrize("accumulate", [2, 5])
def test_parts_make_the_update_of_the_whole(accumulate, more):
    whole, parts = made(10, 1, **more), made(10 // accumulate, accumulate, **more)
    # More steps than there are windows, so that the state starts anew.
    assert len(whole._windows) == len(parts._windows) < 25
    assert whole.batch == parts.batch
    for trainer in (whole, parts):
        trainer.run()
    np.testing.assert_allclose(parts.losses, whole.losses, rtol=1e-9)
    for name, value in whole.model.state_dict().items():
        np.testing.assert_allclose(parts.model.state_dict()[name].numpy(), value.numpy(), rtol=1e-6, atol=1e-9)


def test_a_run_in_parts_goes_on_bit_for_bit(tmp_path):
    model, settings = ModelConfig(hidden=6, embedding=5, dropout_output=0.3), {"window": 4, "batch": 3, "accumulate": 3}
    whole = LanguageModelTrainer(TEXT, model, TrainConfig(steps=20, **settings))
    whole.run()
    LanguageModelTrainer(TEXT, model, TrainConfig(steps=9, **settings)).run(checkpoint=tmp_path / "a")
    resumed = LanguageModelTrainer.resume(tmp_path / "a", TEXT, {"steps": 20})
    resumed.run()
    assert resumed.losses == whole.losses


def test_a_fault_in_a_later_part_is_found():
    trainer = made(2, 3)
    trainer.step()
    trainer.model.output.bias.assign(np.full(trainer.model.output.bias.shape, np.nan))
    said = r"diverged at step 2: .* output\.bias held such numbers before; .* gives nan .*test_accumulating\.py:"
    with pytest.raises(EvaluationError, match=said):
        trainer.step()


@needs_mpi
def test_ranks_and_parts_do_what_one_process_does(folder):
    run(folder, 0, "--steps", "20", "--checkpoint", "one")
    run(folder, 2, "--steps", "20", "--batch", "4", "--accumulate", "2", "--checkpoint", "several")
    assert_alike(folder, "one", "several")
