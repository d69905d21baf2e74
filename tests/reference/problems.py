"""Parameter and state shapes of every reference, and a random problem for each.

Axes: T time, D input size, H hidden size, O output, P projection, N blocks, S cells in a block.
"""

import math
from functools import partial

import numpy as np
from reference import (
    array_lstm,
    cfc,
    contextual_lstm,
    elman,
    gers_lstm,
    gru_reset_after,
    gru_reset_before,
    indrnn,
    janet,
    jordan,
    layer_norm,
    lie_group,
    lmu,
    lstm,
    lstm_1997,
    lstm_projected,
    lstmp,
    ltc,
    mgu,
    min_rnns,
    multiplicative_lstm,
    mut,
    nested_lstm,
    odyssey,
    para,
    peephole_lstm,
    qrnn,
    rational,
    rhn,
    rntn,
    scrn,
    sopa,
    sru,
    strongly_typed,
    tpru,
    ugrnn,
    xlstm,
)
from reference.arrays import Array, Arrays
from reference.run import Step

SIZES = {
    "T": 5,
    "D": 3,
    "H": 6,
    "O": 2,
    "P": 4,
    "N": 3,
    "S": 2,
    "R": 5,
    "E": 1,
    "X": 2,
    "Q": 4,
    "A": 3,
    "G": 1,
    "J": 2,
    "M": 4,
    "U": 5,
    "K": 2,
    "L": 3,
    "I": 2,
    "F": 3,
}

LSTM_SHAPES = {f"{kind}_{gate}": axes for gate in "ifgo" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
GRU_SHAPES = {f"{kind}_{gate}": axes for gate in "rzn" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
ELMAN_SHAPES = {"W": "HD", "R": "HH", "b": "H"}
CELLS_1997 = {"W_g": "NSD", "R_g": "NSH", "Q_gi": "NSN", "Q_go": "NSN", "b_g": "NS"}
GATES_1997 = {
    kind: axes
    for a in "io"
    for kind, axes in ((f"W_{a}", "ND"), (f"R_{a}", "NH"), (f"Q_{a}i", "NN"), (f"Q_{a}o", "NN"), (f"b_{a}", "N"))
}
TPRU_SHAPES = {
    "V": "RH",
    **{f"{kind}_{name}": axes for name in ("r", "u", "fh", "gh") for kind, axes in (("W", "HH"), ("b", "H"))},
    **{f"{kind}_{name}": axes for name in ("fx", "gx") for kind, axes in (("W", "HD"), ("b", "H"))},
    "beta_x": "",
    "beta_h": "",
}
CONTEXTUAL_SHAPES = {
    f"{kind}{gate}": axes
    for gate in "ifco"
    for kind, axes in (("W_x", "HX"), ("W_h", "HH"), ("W_T", "HG"), ("w_c", "H"), ("b_", "H"))
    if (kind, gate) != ("w_c", "c")
}
CFC_BACKBONE = {"log_dt": "", "W_x": "UD", "W_h": "UH", "b": "U", "V": "IUU", "d": "IU"}
CFC_SHAPES = CFC_BACKBONE | {
    f"{kind}_{head}": axes
    for kind, heads, axes in (("F", "12", "HU"), ("T", "ab", "HU"), ("b", "12ab", "H"))
    for head in heads
}
LTC_SHAPES = {
    **{f"{name}{suffix}": axes for name in ("mu", "gamma", "w", "E") for suffix, axes in (("", "HH"), ("_s", "HD"))},
    **dict.fromkeys(("g", "v_l", "c"), "H"),
    **dict.fromkeys(("w_in", "b_in"), "D"),
}
SLSTM_SHAPES = {f"{kind}_{gate}": axes for gate in "zifo" for kind, axes in (("W", "HD"), ("R", "NSS"), ("b", "H"))}
MLSTM_SHAPES = {
    **{f"{kind}_{name}": axes for name in "qkv" for kind, axes in (("W", "NSD"), ("b", "NS"))},
    **{f"{kind}_{name}": axes for name in "if" for kind, axes in (("w", "ND"), ("b", "N"))},
    "W_o": "HD",
    "b_o": "H",
}

RHN_SHAPES = {f"{kind}_{a}": axes for a in "ht" for kind, axes in (("W", "HD"), ("R", "LHH"), ("b", "LH"))}
NESTED_SHAPES = {
    f"{kind}_{a}": axes for a in "ifog" for kind, axes in (("W", "HD"), ("V", "IHH"), ("R", "LHH"), ("b", "LH"))
}
ARRAY_SHAPES = {f"{kind}_{a}": axes for a in "fiog" for kind, axes in (("W", "KHD"), ("R", "KHH"), ("b", "KH"))}
ATTENTION_SHAPES = ARRAY_SHAPES | {"W_s": "KHD", "R_s": "KHH", "b_s": "KH"}
FACTOR_SHAPES = {"W_m": "HD", "R_m": "HH"}

T_LSTM_SHAPES = {f"{kind}_{a}": axes for a in "zfo" for kind, axes in (("V", "HD"), ("W", "HD"), ("b", "H"))}
SRU_V1_SHAPES = {"W": "DD", "W_f": "DD", "b_f": "D", "W_r": "DD", "b_r": "D"}
SRU_PEEPHOLES = {"v_f": "D", "v_r": "D"}
SRU_PROJECTED = {name: "H" + axes[1:] for name, axes in (SRU_V1_SHAPES | SRU_PEEPHOLES | {"W_x": "DD"}).items()}
RATIONAL_SHAPES = {
    **{f"W_{a}": "HD" for a in ("f1", "u1", "f2", "u2", "o")},
    **{f"b_{a}": "H" for a in ("f1", "f2", "o")},
}
SOPA_SHAPES = {"W_m": "HAD", "b_m": "HA", "W_l": "HQD", "b_l": "HQ", "epsilon": "HA"}

ODYSSEY_SHAPES = LSTM_SHAPES | {f"p_{a}": "H" for a in "ifo"}
NORM_SHAPES = {"alpha_3": "H", "beta_3": "H"} | {
    f"{part}_{k}_{a}": "H" for part in ("alpha", "beta") for k in "12" for a in "ifgo"
}
GRU_NORM_SHAPES = {f"{part}_{k}": "H" for part in ("alpha", "beta") for k in ("1_z", "1_r", "2_z", "2_r", "3", "4")}
UGRNN_SHAPES = {f"{kind}_{a}": axes for a in "cg" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
INTERSECTION_SHAPES = {
    f"{kind}_{a}": axes[0] + rest
    for a, axes in (("y", "D"), ("gy", "D"), ("h", "H"), ("gh", "H"))
    for kind, rest in (("W", "D"), ("R", "H"), ("b", ""))
}
GERS_SHAPES = {f"{kind}_{a}": axes for a in "ifo" for kind, axes in (("W", "ND"), ("R", "NH"), ("b", "N"))}
SCRN_SHAPES = {"A": "HD", "B": "PD", "P": "HP", "R": "HH", "alpha": ""}
MINIMAL_SHAPES = {"W_n": "HD", "R_n": "HH", "b_n": "H"}


def without(shapes: dict[str, str], letters: str) -> dict[str, str]:
    """The parameters whose name does not end in one of the letters."""
    return {name: axes for name, axes in shapes.items() if name[-1] not in letters}


def square(*names: str) -> dict[str, str]:
    """Matrices and biases of a cell whose hidden size is its input size."""
    return {name: "D" if name.startswith("b_") else "DD" for name in names}


def convolutions(names: str, width: int) -> dict[str, str]:
    """Parameters of a quasi-recurrent network with these gates."""
    kinds = (("V", "HD"), ("W", "HD"), ("b", "H"))[2 - width :]
    return {f"{kind}_{a}": axes for a in names for kind, axes in kinds}


PARAMS = {
    "elman": ELMAN_SHAPES,
    "elman_relu": ELMAN_SHAPES,
    "jordan": {"W": "HD", "U": "HO", "b": "H", "V": "OH", "d": "O", "mu": ""},
    "lstm_1997": CELLS_1997 | GATES_1997,
    "lstm": LSTM_SHAPES,
    "lstm_projected": LSTM_SHAPES | {f"R_{gate}": "HP" for gate in "ifgo"} | {"W_hr": "PH"},
    "peephole_lstm": LSTM_SHAPES | {f"p_{gate}": "H" for gate in "ifo"},
    "gru_reset_before": GRU_SHAPES,
    "gru_reset_after": GRU_SHAPES | {"b_hn": "H"},
    "tpru": TPRU_SHAPES,
    "contextual_lstm": CONTEXTUAL_SHAPES,
    "lmu": {"e_x": "D", "e_h": "H", "e_m": "M", "A": "MM", "B": "M", "W_x": "HD", "W_h": "HH", "W_m": "HM"},
    "cfc": CFC_SHAPES,
    "cfc_no_gate": CFC_SHAPES,
    "cfc_minimal": CFC_BACKBONE | {"F_1": "HU", "b_1": "H", "w_tau": "H", "A": "H"},
    "ltc": LTC_SHAPES,
    "slstm": SLSTM_SHAPES,
    "mlstm_matrix": MLSTM_SHAPES,
    "lie_group": {"W": "JD", "T": "JHH"},
    "rhn": RHN_SHAPES,
    "rhn_uncoupled": RHN_SHAPES | {"W_c": "HD", "R_c": "LHH", "b_c": "LH"},
    "nested_lstm": NESTED_SHAPES,
    **dict.fromkeys(
        ("array_lstm", "array_lstm_pooled", "array_lstm_stochastic", "array_lstm_stochastic_half"), ARRAY_SHAPES
    ),
    **dict.fromkeys(("array_lstm_soft", "array_lstm_soft_logits", "array_lstm_max"), ATTENTION_SHAPES),
    **dict.fromkeys(("array_lstm_hard", "array_lstm_semi_hard"), ATTENTION_SHAPES),
    "t_rnn": {"W_z": "HD", "W_f": "HD", "b_f": "H"},
    "t_lstm": T_LSTM_SHAPES,
    "t_gru": T_LSTM_SHAPES,
    "t_mr": {"W": "HD", "u": "H", "b": "H"},
    "sru_v1": SRU_V1_SHAPES,
    "sru": SRU_V1_SHAPES | SRU_PEEPHOLES | {"alpha": ""},
    "sru_v1_projected": {name: axes for name, axes in SRU_PROJECTED.items() if name not in SRU_PEEPHOLES},
    "sru_projected": SRU_PROJECTED,
    **{f"qrnn_{names[1:]}": convolutions(names, 2) for names in ("zf", "zfo")},
    **{f"qrnn_{names[1:]}_width_1": convolutions(names, 1) for names in ("zf", "zfo")},
    "qrnn_ifo": convolutions("zfoi", 2),
    "qrnn_ifo_width_1": convolutions("zfoi", 1),
    "indrnn": {"W": "HD", "u": "H", "b": "H"},
    **{name: {"W_z": "HD", "b_z": "H", "W_h": "HD", "b_h": "H"} for name in ("min_gru", "min_gru_positive")},
    **{
        name: {f"{kind}_{a}": axes for a in "fih" for kind, axes in (("W", "HD"), ("b", "H"))}
        for name in ("min_lstm", "min_lstm_positive")
    },
    **{name: {"W_f": "HD", "b_f": "H", "W_u": "HD", "W_o": "HD", "b_o": "H"} for name in ("rrnn_b", "rrnn_b_max_plus")},
    "rrnn_c": RATIONAL_SHAPES,
    "rrnn_f": RATIONAL_SHAPES | dict.fromkeys(("epsilon", "rho1", "rho2"), "H"),
    **dict.fromkeys(("sopa", "sopa_max_plus", "sopa_max_times"), SOPA_SHAPES),
    "para_gru": {f"{kind}_{a}": axes for a in "zrn" for kind, axes in (("a", "H"), ("B", "NSE"), ("b", "H"))},
    "para_lstm": {f"{kind}_{a}": axes for a in "fzo" for kind, axes in (("a", "H"), ("B", "NSE"), ("b", "H"))}
    | {"c_f": "H", "c_o": "H"},
    "multiplicative_lstm": LSTM_SHAPES | FACTOR_SHAPES,
    "multiplicative_lstm_linear": {n: axes for n, axes in LSTM_SHAPES.items() if n != "b_g"}
    | FACTOR_SHAPES
    | {"b_h": "H"},
    "gru_rntn": GRU_SHAPES | {"T": "HDH"},
    "lstm_rntn": LSTM_SHAPES | {"T": "HDH"},
    "odyssey_nig": without(ODYSSEY_SHAPES, "i"),
    "odyssey_nfg": without(ODYSSEY_SHAPES, "f"),
    "odyssey_nog": without(ODYSSEY_SHAPES, "o"),
    "odyssey_niaf": ODYSSEY_SHAPES,
    "odyssey_noaf": ODYSSEY_SHAPES,
    "odyssey_cifg": without(ODYSSEY_SHAPES, "f"),
    "odyssey_np": LSTM_SHAPES,
    "odyssey_fgr": ODYSSEY_SHAPES | {f"Q_{a}{b}": "HH" for a in "ifo" for b in "ifo"},
    "layer_norm_lstm": LSTM_SHAPES | NORM_SHAPES,
    "layer_norm_gru": {name: axes for name, axes in GRU_SHAPES.items() if name[0] != "b"} | GRU_NORM_SHAPES,
    "mut1": square("W_z", "b_z", "W_r", "R_r", "b_r", "R_n", "b_n"),
    "mut2": square("W_z", "R_z", "b_z", "R_r", "b_r", "W_n", "R_n", "b_n"),
    "mut3": GRU_SHAPES,
    "ugrnn": UGRNN_SHAPES,
    "intersection_rnn": INTERSECTION_SHAPES,
    "janet": {f"{kind}_{a}": axes for a in "fg" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
    | {"beta": ""},
    "mgu": MINIMAL_SHAPES | {"W_f": "HD", "R_f": "HH", "b_f": "H"},
    "mgu1": MINIMAL_SHAPES | {"R_f": "HH", "b_f": "H"},
    "mgu2": MINIMAL_SHAPES | {"R_f": "HH"},
    "mgu3": MINIMAL_SHAPES | {"b_f": "H"},
    "scrn": SCRN_SHAPES,
    "scrn_previous_context": SCRN_SHAPES,
    "scrn_learned_decay": {name: axes for name, axes in SCRN_SHAPES.items() if axes} | {"beta": "P"},
    "gers_lstm": GERS_SHAPES | {"W_g": "NSD", "R_g": "NSH"},
    "lstmp": LSTM_SHAPES
    | {f"R_{a}": "HP" for a in "ifgo"}
    | {f"p_{a}": "H" for a in "ifo"}
    | {"W_rm": "PH", "W_pm": "FH"},
}
STATE = {
    "elman": {"h": "H"},
    "elman_relu": {"h": "H"},
    "jordan": {"s": "O", "y": "O"},
    "lstm_1997": {"s": "NS", "y": "NS", "i": "N", "o": "N"},
    "lstm": {"h": "H", "c": "H"},
    "lstm_projected": {"h": "P", "c": "H"},
    "peephole_lstm": {"h": "H", "c": "H"},
    "gru_reset_before": {"h": "H"},
    "gru_reset_after": {"h": "H"},
    "tpru": {"h": "H"},
    "contextual_lstm": {"h": "H", "c": "H"},
    "lmu": {"h": "H", "m": "M"},
    "cfc": {"h": "H"},
    "cfc_no_gate": {"h": "H"},
    "cfc_minimal": {"h": "H"},
    "ltc": {"v": "H"},
    "slstm": {"h": "H", "c": "H", "n": "H", "m": "H"},
    "mlstm_matrix": {"C": "NSS", "n": "NS", "m": "N"},
    "lie_group": {"Z": "HH"},
    "rhn": {"s": "H"},
    "rhn_uncoupled": {"s": "H"},
    "nested_lstm": {"h": "H", "c": "LH"},
    **{name: {"h": "H", "c": "KH"} for name in PARAMS if name.startswith("array_lstm")},
    "t_rnn": {"h": "H"},
    "t_lstm": {"c": "H", "v_z": "H", "v_f": "H", "v_o": "H"},
    "t_gru": {"h": "H", "v_z": "H", "v_f": "H", "v_o": "H"},
    "t_mr": {"h": "H"},
    "sru_v1": {"c": "D"},
    "sru": {"c": "D"},
    "sru_v1_projected": {"c": "H"},
    "sru_projected": {"c": "H"},
    "qrnn_f": {"h": "H", "v_z": "H", "v_f": "H"},
    "qrnn_fo": {"c": "H", "v_z": "H", "v_f": "H", "v_o": "H"},
    "qrnn_ifo": {"c": "H", "v_z": "H", "v_f": "H", "v_o": "H", "v_i": "H"},
    "qrnn_f_width_1": {"h": "H"},
    "qrnn_fo_width_1": {"c": "H"},
    "qrnn_ifo_width_1": {"c": "H"},
    "indrnn": {"h": "H"},
    **{name: {"h": "H"} for name in PARAMS if name.startswith("min_")},
    "rrnn_b": {"c": "H"},
    "rrnn_b_max_plus": {"c": "H"},
    "rrnn_c": {"c1": "H", "c2": "H"},
    "rrnn_f": {"c1": "H", "c2": "H"},
    **{name: {"h": "HQ", "s": "H"} for name in PARAMS if name.startswith("sopa")},
    "para_gru": {"h": "H"},
    "para_lstm": {"h": "H", "c": "H"},
    "multiplicative_lstm": {"h": "H", "c": "H"},
    "multiplicative_lstm_linear": {"h": "H", "c": "H"},
    "gru_rntn": {"h": "H"},
    "lstm_rntn": {"h": "H", "c": "H"},
    **{name: {"h": "H", "c": "H"} for name in PARAMS if name.startswith("odyssey_")},
    "odyssey_fgr": {"h": "H", "c": "H", "i": "H", "f": "H", "o": "H"},
    "layer_norm_lstm": {"h": "H", "c": "H"},
    **{name: {"h": "D"} for name in ("mut1", "mut2")},
    **{name: {"h": "H"} for name in ("layer_norm_gru", "mut3", "ugrnn", "intersection_rnn", "janet")},
    **{name: {"h": "H"} for name in PARAMS if name.startswith("mgu")},
    **{name: {"s": "P", "h": "H"} for name in PARAMS if name.startswith("scrn")},
    "gers_lstm": {"s": "NS", "y": "NS"},
    "lstmp": {"r": "P", "c": "H"},
}
OUTPUT = dict.fromkeys(PARAMS, "H") | {
    "jordan": "O",
    "lstm_projected": "P",
    "lie_group": "HH",
    "lstmp": "P+F",
    "sru": "D",
    "sru_v1": "D",
    "mut1": "D",
    "mut2": "D",
    "intersection_rnn": "D",
    "scrn": "H+P",
    "scrn_previous_context": "H+P",
    "scrn_learned_decay": "H+P",
}
STEPS: dict[str, Step] = {
    "elman": elman.step,
    "elman_relu": elman.step_relu,
    "jordan": jordan.step,
    "lstm_1997": lstm_1997.step,
    "lstm": lstm.step,
    "lstm_projected": lstm_projected.step,
    "peephole_lstm": peephole_lstm.step,
    "gru_reset_before": gru_reset_before.step,
    "gru_reset_after": gru_reset_after.step,
    "tpru": tpru.step,
    "contextual_lstm": contextual_lstm.step,
    "lmu": lmu.step,
    "cfc": cfc.step,
    "cfc_no_gate": cfc.step_no_gate,
    "cfc_minimal": cfc.step_minimal,
    "ltc": ltc.step,
    "slstm": xlstm.step_slstm,
    "mlstm_matrix": xlstm.step_mlstm_matrix,
    "lie_group": lie_group.step,
    "rhn": rhn.step,
    "rhn_uncoupled": rhn.step_uncoupled,
    "nested_lstm": nested_lstm.step,
    "array_lstm": array_lstm.step,
    "array_lstm_soft": array_lstm.step_soft,
    "array_lstm_soft_logits": array_lstm.step_soft_logits,
    "array_lstm_max": array_lstm.step_max,
    "array_lstm_pooled": array_lstm.step_pooled,
    "array_lstm_stochastic": array_lstm.step_stochastic,
    "array_lstm_stochastic_half": array_lstm.step_stochastic_half,
    "array_lstm_hard": array_lstm.step_hard,
    "array_lstm_semi_hard": array_lstm.step_semi_hard,
    "t_rnn": strongly_typed.step_t_rnn,
    "t_lstm": strongly_typed.step_t_lstm,
    "t_gru": strongly_typed.step_t_gru,
    "t_mr": strongly_typed.step_t_mr,
    "sru_v1": sru.step_v1,
    "sru_v1_projected": sru.step_v1_projected,
    "sru": sru.step,
    "sru_projected": sru.step_projected,
    "qrnn_f": qrnn.step_f,
    "qrnn_fo": qrnn.step_fo,
    "qrnn_ifo": qrnn.step_ifo,
    "qrnn_f_width_1": qrnn.step_f,
    "qrnn_fo_width_1": qrnn.step_fo,
    "qrnn_ifo_width_1": qrnn.step_ifo,
    "indrnn": indrnn.step,
    "min_gru": min_rnns.step_gru,
    "min_gru_positive": min_rnns.step_gru_positive,
    "min_lstm": min_rnns.step_lstm,
    "min_lstm_positive": min_rnns.step_lstm_positive,
    "rrnn_b": rational.step_b,
    "rrnn_b_max_plus": rational.step_b_max_plus,
    "rrnn_c": rational.step_c,
    "rrnn_f": rational.step_f,
    "sopa": sopa.step,
    "sopa_max_plus": sopa.step_max_plus,
    "sopa_max_times": sopa.step_max_times,
    "para_gru": para.step_gru,
    "para_lstm": para.step_lstm,
    "multiplicative_lstm": multiplicative_lstm.step,
    "multiplicative_lstm_linear": multiplicative_lstm.step_linear,
    "gru_rntn": rntn.step_gru,
    "lstm_rntn": rntn.step_lstm,
    "odyssey_nig": odyssey.step_nig,
    "odyssey_nfg": odyssey.step_nfg,
    "odyssey_nog": odyssey.step_nog,
    "odyssey_niaf": odyssey.step_niaf,
    "odyssey_noaf": odyssey.step_noaf,
    "odyssey_cifg": odyssey.step_cifg,
    "odyssey_np": odyssey.step_np,
    "odyssey_fgr": odyssey.step_fgr,
    "layer_norm_lstm": layer_norm.step_lstm,
    "layer_norm_gru": layer_norm.step_gru,
    "mut1": mut.step_mut1,
    "mut2": mut.step_mut2,
    "mut3": mut.step_mut3,
    "ugrnn": ugrnn.step,
    "intersection_rnn": ugrnn.step_intersection,
    "janet": janet.step,
    "mgu": mgu.step,
    "mgu1": mgu.step_1,
    "mgu2": mgu.step_2,
    "mgu3": mgu.step_3,
    "scrn": scrn.step,
    "scrn_previous_context": scrn.step_previous_context,
    "scrn_learned_decay": scrn.step_learned_decay,
    "gers_lstm": gers_lstm.step,
    "lstmp": lstmp.step,
}
NOISE = dict.fromkeys(
    (
        "array_lstm_pooled",
        "array_lstm_stochastic",
        "array_lstm_stochastic_half",
        "array_lstm_hard",
        "array_lstm_semi_hard",
    ),
    "KH",
)
"""Axes of the uniform numbers that a stochastic cell's step takes after the state."""


def draw(shapes: dict[str, str], rng: np.random.Generator) -> Arrays:
    return {name: rng.normal(0, 0.7, tuple(SIZES[axis] for axis in axes)) for name, axes in shapes.items()}


def problem(name: str, seed: int = 0) -> tuple[Step, Arrays, Array, Arrays, Array, Arrays]:
    """Everything `gradients` takes: a cell, its parameters, inputs, a non-zero state, and weights of the outputs."""
    rng = np.random.default_rng(seed)
    step = STEPS[name]
    if name in NOISE:
        step = partial(step, u=rng.uniform(size=tuple(SIZES[axis] for axis in NOISE[name])))  # the same at every time
    p, s0 = draw(PARAMS[name], rng), draw(STATE[name], rng)
    output_size = sum(math.prod(SIZES[axis] for axis in part) for part in OUTPUT[name].split("+"))
    xs, w_y = rng.normal(size=(SIZES["T"], SIZES["D"])), rng.normal(size=(SIZES["T"], output_size))
    return step, p, xs, s0, w_y, draw(STATE[name], rng)
