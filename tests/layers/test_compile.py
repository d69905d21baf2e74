"""Layers and torch's own machinery around them: compiler, export, pickles."""

import io
import os
import subprocess
import sys
from pathlib import Path

import torch

import carrousel


def test_models_that_hold_our_layers_are_compiled_and_exported_whole() -> None:
    file = Path(__file__).with_name("compiled_models.py")
    command = [sys.executable, "-m", "pytest", "--noconftest", "-q", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_plain_use_does_not_load_torchs_compiler() -> None:
    code = (
        "import sys, torch, carrousel\n"
        "layer = carrousel.Recurrent('elman', 3, 4)\n"
        "layer(torch.zeros(5, 2, 3))[0].sum().backward()\n"
        "layer.stream().step(torch.zeros(1, 3))\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_copied_and_a_pickled_layer_keep_their_programs() -> None:
    layer = carrousel.LSTM(4, 6)
    x = torch.randn(5, 3, 4)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert torch.equal(again(x)[0], layer(x)[0])
