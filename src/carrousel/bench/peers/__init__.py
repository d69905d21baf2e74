"""Whom Carrousel is measured beside. A peer's packages are imported when it is first prepared."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from carrousel.bench.cases import TORCH_CELLS, Case
from carrousel.bench.peers.own import has_state_products
from carrousel.bench.workload import Prepared, Workload
from carrousel.errors import ConfigError, nearest


@dataclass(frozen=True)
class Peer:
    """A contender beside ours.

    Args:
        name: in tables and for `--peers`.
        what: in a few words.
        place: "module:function" of this package, Workload -> Prepared.
        serves: the cases it can run.
        packages: that must be importable, beyond what Carrousel itself needs.
        is_default: part of `--peers all`.
    """

    name: str
    what: str
    place: str
    serves: Callable[[Case], bool]
    packages: tuple[str, ...] = ()
    is_default: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(package for package in self.packages if find_spec(package) is None)

    def prepare(self, workload: Workload) -> Prepared:
        """The peer with the workload's numbers."""
        module, _, name = self.place.partition(":")
        return cast("Callable[[Workload], Prepared]", getattr(import_module(f"{__name__}.{module}"), name))(workload)


def _in_torch(case: Case) -> bool:
    return case.cell in TORCH_CELLS


def _is_plain_training(case: Case) -> bool:
    return case.is_plain and case.mode == "train"


def _is_looped(case: Case) -> bool:
    return _is_plain_training(case) and case.steps <= 100 and case.size <= 128


def _in_jax(case: Case) -> bool:
    return _is_plain_training(case) and case.cell in ("lstm", "gru_reset_after", "elman", "peephole_lstm")


def _in_onnx(case: Case) -> bool:
    return (
        _in_torch(case) and case.is_plain and (case.mode == "infer" or (case.mode == "stream" and case.cell == "lstm"))
    )


def _in_torchrecurrent(case: Case) -> bool:
    from carrousel.bench.peers.torchrecurrent import CLASSES

    return _is_plain_training(case) and case.cell in CLASSES


def _is_zoo(case: Case) -> bool:
    return _is_plain_training(case) and "own lstm" in case.bars


PEERS: tuple[Peer, ...] = (
    Peer("torch", "the module of torch.nn; with lengths, on padded input", "torch_nn:padded", _in_torch),
    Peer("torch packed", "the module of torch.nn on a PackedSequence", "torch_nn:packed", lambda case: case.is_ragged),
    Peer("loop", "the step as a loop of torch operations", "torch_loop:looped", _is_looped),
    Peer("compile", "torch.compile of that loop", "torch_loop:compiled", _is_looped, is_default=False),
    Peer("jax", "jitted jax.lax.scan", "jax_scan:prepare_scan", _in_jax, ("jax",)),
    Peer("onnxruntime", "a session of ONNX Runtime", "onnx_session:prepare_session", _in_onnx, ("onnxruntime", "onnx")),
    Peer("torchrecurrent", "its module", "torchrecurrent:prepare_module", _in_torchrecurrent, ("torchrecurrent",)),
    Peer("own lstm", "Carrousel's LSTM, its time scaled by the floating-point operations of a step", "own:lstm_by_work",
         lambda case: _is_zoo(case) and has_state_products(case)),
    Peer("bytes", "the products on the input, and copying as many bytes as the loops read and write", "own:bytes_moved",
         lambda case: _is_zoo(case) and not has_state_products(case)),
)  # fmt: skip


def chosen_peers(text: str) -> tuple[tuple[Peer, ...], list[str]]:
    """The peers named between commas, and a line for each that "all" leaves out because a package is missing.

    Raises:
        ConfigError: an unknown name, or a package of a named peer that is not installed.
    """
    if text == "all":
        wanted = [peer for peer in PEERS if peer.is_default]
        present = tuple(peer for peer in wanted if not peer.missing)
        return present, [_missing(peer) for peer in wanted if peer.missing]
    by_name = {peer.name: peer for peer in PEERS}
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in by_name:
            raise ConfigError(
                f"bench: unknown peer {name!r}, expected all, or some of {', '.join(by_name)}.{nearest(name, by_name)}"
            )
        if by_name[name].missing:
            raise ConfigError(_missing(by_name[name]))
    return tuple(by_name[name] for name in names), []


def _missing(peer: Peer) -> str:
    what = f"package{'s'[: len(peer.missing) - 1]} {', '.join(peer.missing)}"
    are, them = ("is", "it") if len(peer.missing) == 1 else ("are", "them")
    return f"bench: {peer.name} needs the {what}, which {are} not installed. Install {them}: pip install 'carrousel[bench]'"
