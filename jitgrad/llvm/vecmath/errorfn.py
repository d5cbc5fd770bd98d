"""erfc, erfcx and their inverses erfinv and erfcinv.

(x + 1/2) erfcx(x) is one polynomial in (x - 4) / (x + 4) for all x >= 0 (Shepherd & Laframboise
1981); erfc(x) = exp(-x²) erfcx(x). The inverses are rational functions (Wichura 1988) of x² and,
for |x| near 1, of sqrt(-log(1 - |x|)). Fits made as in :mod:`.exponential`, the rational ones by
reweighted linear least squares.
"""

from __future__ import annotations

from .exponential import divide, exp_parts, scale
from .expr import (
    INF,
    NAN,
    X,
    clamp_above,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    number,
    poly,
    residue,
    select,
    sqrt,
    two_product,
    two_sum,
)
from .library import define
from .logarithm import log_positive

ERFCX_0 = {
    "f64": (0.6164975593127763, -2.3126594605043586e-17),
    "f32": (0.6164975762367249, -1.6923948464864225e-08),
}
"""4.5 erfcx(4) in two parts."""
ERFCX = {
    "f64": (
        -0.06981055842028125, 0.0076898260513098785, 0.03404852712734509, -0.05051953301815284,
        0.046866417499224974, -0.03316518290605472, 0.018583757767861562, -0.008098867030222933,
        0.002515984997254623, -0.0003788866290383173, -9.962839274078027e-05,
        7.531073955995639e-05, -1.2199455882498912e-05, -5.610631480865661e-06,
        2.854566370127202e-06, 1.4596876484788156e-07, -4.124048770491622e-07,
        3.8752713190663617e-08, 5.49937850900422e-08, -1.029155391617557e-08,
        -7.319882109519292e-09, 1.5888957541935165e-09, 8.823738543290857e-10,
        -1.336381499536883e-10, -6.667348822460869e-11,
    ),
    "f32": (
        -0.06981055438518524, 0.0076898676343262196, 0.0340484119951725, -0.050520338118076324,
        0.04686747118830681, -0.03315996751189232, 0.018579304218292236, -0.008114468306303024,
        0.002525969175621867, -0.00035513672628439963, -0.00011207070201635361,
        5.7276090956293046e-05, -3.739651901923935e-06,
    ),
}  # fmt: skip
"""((x + 1/2) erfcx(x) - 4.5 erfcx(4)) / t, t = (x - 4) / (x + 4), error 2^-59.4 and 2^-29.3."""
VANISHES = {"f64": 27.5, "f32": 10.5}
"""erfc is zero from here on."""

Rational = tuple[tuple[float, ...], tuple[float, ...]]
NEAR, MIDDLE, FAR = 0.71875, 1.25, 5.25
"""Up to this x² the first; r less this in the second; r less this, from there on, in the third."""
INVERSE: dict[str, tuple[Rational, Rational, Rational]] = {
    "f64": (
        (
            (
                0.19418136267851177, 1.2741819129743253, 1.121737974418673, -8.575003444759007,
                -23.91749492315275, -22.71173482434869, -8.180225677918282, -0.8351989770237433,
            ),
            (
                1.0, 11.132300264153054, 48.376082514440746, 104.05249770797319,
                116.07821015226308, 64.33309106067954, 15.35452407698442, 1.0768151536699189,
                -0.0035169541076184164,
            ),
        ),
        (
            (
                -0.2902714154573239, -1.1723256398030921, -1.3882891333199896, -0.7428003875989173,
                -0.17543668024723366, -0.015301093237519539, -0.0003551170876249226,
                -3.960241781285462e-07,
            ),
            (
                1.0, 4.89457420803967, 8.442122568697505, 7.4532562893440115, 3.695845470547304,
                1.0208363569324133, 0.14173471280143907, 0.00808519662670143,
                0.00012516355662026647,
            ),
        ),
        (
            (
                -0.04088439274035576, -0.014833444631644987, -0.0018543160918555496,
                -9.607068110481455e-05, -1.933306728350964e-06, -1.0086305559352315e-08,
                1.7753299309761214e-11, 1.2409097844518779e-14,
            ),
            (
                1.0, 0.6612699124835737, 0.17299368654239747, 0.022650207592476185,
                0.0015506163192060825, 5.281633330925443e-05, 7.580022056111879e-07,
                2.600453386471082e-09, -6.7611722706484484e-12,
            ),
        ),
    ),
    "f32": (
        (
            (
                0.19418135285377502, 0.08094695955514908, -1.528710126876831, -1.2319027185440063,
            ),
            (
                1.0, 4.987340927124023, 6.641735076904297, 1.9968510866165161,
                -0.05105220153927803,
            ),
        ),
        (
            (
                -0.29027116298675537, -0.09131614863872528, 0.0030817780643701553,
                7.904431549832225e-05,
            ),
            (
                1.0, 1.1704249382019043, 0.4615650475025177, 0.035879045724868774,
                -0.0025737930554896593,
            ),
        ),
        (
            (
                -0.04088439419865608, -0.007223507389426231, -0.00024669713457114995,
                -3.8558897585971863e-07,
            ),
            (
                1.0, 0.4751368463039398, 0.0781201422214508, 0.0049717118963599205,
                9.182734356727451e-05,
            ),
        ),
    ),
}  # fmt: skip
"""erfinv(x)/x - 1 by 0.71875 - x²; with r = sqrt(-log(erfc(y))) y/r - 1 by r - 1.25, r - 5.25.
Errors, relative to the whole, 2^-54.7 and 2^-26.3."""


def erfcx_parts(a: X) -> tuple[X, X]:
    """erfcx(a) as an unevaluated sum, 0 <= a < inf."""
    d = a.dtype
    t, t_low = divide(*two_sum(a, -4.0), *two_sum(a, 4.0))
    high, low = ERFCX_0[d]
    p, p_low = fast_two_sum(a.constant(high), fma(t, poly(t, ERFCX[d]), low))
    # near 0 the polynomial is steep: its slope is about 3.5 (t + 1/2)² below t = -1/2, small above
    bend = clamp_above(t + 0.5, 0.0)
    p_low = fma(bend * bend * 3.49, t_low, p_low)
    q, q_low = divide(p, p_low, *two_sum(a, 0.5))
    return q, number(q_low)


def erfc(x: X) -> X:
    """1 - erf(x)."""
    a = clamp_above(fabs(x), VANISHES[x.dtype])
    q, q_low = erfcx_parts(a)
    square, square_low = two_product(a, a)
    bits, e, e_low = exp_parts(-square, -square_low)
    p, p_low = two_product(e, q)
    small = scale(p + (p_low + fma(e, q_low, e_low * q)), bits)
    return select(x < 0.0, 2.0 - small, small)


def erfcx(x: X) -> X:
    """exp(x²) erfc(x); 2 exp(x²) - erfcx(-x) for negative x."""
    a = fabs(x)
    q, q_low = erfcx_parts(a)
    near = clamp_above(a, VANISHES[x.dtype])
    square, square_low = two_product(near, near)
    bits, e, e_low = exp_parts(square, square_low)
    e, e_low = scale(e, bits) * 2.0, scale(e_low, bits) * 2.0
    whole, rest = fast_two_sum(e, -q)
    negative = select(e.eq(INF), e, whole + (rest + (e_low - q_low)))
    result = select(x < 0.0, negative, q + q_low)
    return select(x.eq(INF), 0.0, result)


def _inverse(near: X, square: X, z: X) -> tuple[X, X, X]:
    """x or r, what it lacks, and the factor less 1 that makes y of it."""
    d = z.dtype
    w = -log_positive(z)
    r = sqrt(w)
    far = r > FAR
    u = select(near, NEAR - square, r - select(far, r.constant(FAR), MIDDLE))

    def value(k: int) -> X:
        out = None
        for a, b, c in zip(*(region[k][::-1] for region in INVERSE[d]), strict=True):
            coefficient = select(near, a, select(far, u.constant(c), b))
            out = coefficient if out is None else fma(out, u, coefficient)
        assert out is not None
        return out

    return r, residue(r, r, w) / (r * -2.0), value(0) / value(1)


def erfinv(x: X) -> X:
    """The y with erf(y) = x; NaN beyond 1."""
    a = fabs(x)
    square = a * a
    near = square <= NEAR
    r, r_low, factor = _inverse(near, square, 1.0 - a)
    r, r_low = select(near, a, r), select(near, 0.0, r_low)
    y = r + fma(r, factor, r_low)
    return copysign(select(a < 1.0, y, select(a.eq(1.0), y.constant(INF), NAN)), x)


def erfcinv(x: X) -> X:
    """The y with erfc(y) = x; NaN outside 0 .. 2."""
    v = 1.0 - x
    v_low = (1.0 - v) - x
    square = v * v
    near = square <= NEAR
    upper = x > 1.0
    r, r_low, factor = _inverse(near, square, select(upper, 2.0 - x, x))
    sign = select(upper, x.constant(-1.0), 1.0)
    # the slope of erfinv, to a few percent, where v_low is not zero
    slope = fma(fma(square, 5.472, -2.392), square, 1.3686)
    r, r_low = select(near, v, r * sign), select(near, v_low * slope, r_low * sign)
    y = r + fma(r, factor, r_low)
    end = select(x.eq(0.0), y.constant(INF), select(x.eq(2.0), y.constant(-INF), NAN))
    return select((x > 0.0) & (x < 2.0), y, end)


define("erfc", 1, erfc)
define("erfcx", 1, erfcx, libm=False)
define("erfinv", 1, erfinv, libm=False)
define("erfcinv", 1, erfcinv, libm=False)
