"""Signals that wait for a good moment."""

import os
import signal

import pytest

from carrousel.train import interrupt
from carrousel.train.interrupt import stop_on_interrupt

pytestmark = pytest.mark.tiny


def send(kind: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), kind)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_interrupts(kind: signal.Signals) -> None:
    before = signal.getsignal(kind)
    with stop_on_interrupt() as is_stopped:
        assert not is_stopped()
        send(kind)
        assert is_stopped()
        with pytest.raises(KeyboardInterrupt):
            send(kind)
    assert signal.getsignal(kind) == before


def test_what_torchrun_passes_on_is_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with stop_on_interrupt() as is_stopped:
        send()
        send(signal.SIGTERM)
        assert is_stopped()
        monkeypatch.setattr(interrupt, "ECHO_S", 0.0)  # much later
        with pytest.raises(KeyboardInterrupt):
            send()
