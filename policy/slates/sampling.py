"""Draws from Beta posteriors with common random numbers.

A standard normal belongs to (page, segment, arm, stage, variant, epoch) and
stays the same while that does: slates change because posteriors do, and other
arms coming or going leave an arm's numbers alone.  numpy's generators give no
such promise across versions and no access by name, hence the hashing here.  The
uniforms below the normals are exact on every machine; the inverse normal
distribution function may differ in the last bit between platforms.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from policy.arrays import Floats, Hashes
from policy.hashes import hash64
from policy.model.posteriors import SMALLEST, Beta
from policy.model.reward import ClickValue
from policy.slates.compiled import BUILT, scan

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
CLICK_STAGES = ("click", "no click")
USUAL_DEVIATION = 0.4
"""What is known give or take this share of it is drawn with `exploration` times its deviation."""
PLENTY = 300.0
"""Clicks of the arms in a page's slots from which on the others are tried more: so much more as there are more."""
SALE_STAGES = ("purchase", "no purchase", "amount")


def _mix(state: Hashes) -> Hashes:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014), in place."""
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state


def uniforms(page: str, segment: str, hashes: Hashes, stage: str, variants: int, epoch: int) -> Floats:
    """A fixed uniform per arm and variant, float64[A, V] strictly between 0 and 1, 52 bits each.

    One SplitMix64 sequence per arm, seeded by its hash and that of the other
    names; the variant counts along it.
    """
    key = np.uint64(hash64("draw", page, segment, stage, str(epoch)))
    seeds = _mix(hashes ^ key)
    steps = np.arange(1, variants + 1, dtype=np.uint64) * GOLDEN
    bits = _mix(seeds[:, None] + steps[None, :]) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def normals(page: str, segment: str, hashes: Hashes, stage: str, variants: int, epoch: int) -> Floats:
    """A fixed standard normal per arm and variant, float64[A, V]; `hashes` are from `arm_hashes`."""
    z: Floats = ndtri(uniforms(page, segment, hashes, stage, variants, epoch))
    return z


def click_normals(page: str, segment: str, hashes: Hashes, variants: int, epoch: int) -> Floats:
    """The two normals that a draw of attractiveness needs, float64[2, A, V]."""
    return np.stack([normals(page, segment, hashes, stage, variants, epoch) for stage in CLICK_STAGES])


def stage_normals(page: str, segment: str, hashes: Hashes, variants: int, epoch: int, *, sales: bool) -> Floats:
    """`click_normals`, and with `sales` those of `sale_normals` behind them: float64[2 or 5, A, V]."""
    z = click_normals(page, segment, hashes, variants, epoch)
    return np.concatenate([z, sale_normals(page, segment, hashes, variants, epoch)]) if sales else z


def gamma_draws(shape: Floats, z: Floats, scale: Floats | float = 1.0) -> Floats:
    """Gamma(shape, 1) draws from standard normals, not below 0 (Wilson and Hilferty 1931).

    With c = scale**2 / (9 shape): shape * max(0, 1 - c + sqrt(c) z)**3.  That is
    scale**2 times a draw of Gamma(shape / scale**2, 1): the same mean, `scale` times
    the deviation.  Without the scale in the first c a small shape would be drawn too
    low, and what little is known of would never be tried.
    """
    root = z * (scale / (3.0 * np.sqrt(shape)))
    root += 1.0 - scale**2 / (9.0 * shape)
    np.maximum(root, 0.0, out=root)
    draws: Floats = shape * (root * root * root)
    return draws


def beta_draws(a: Floats, b: Floats, z: Floats, scale: Floats | float = 1.0, built: bool = BUILT) -> Floats:
    """Draws from Beta(a, b) per arm, float64[A, V], with z float64[2, A, V].

    A ratio of two gamma draws.  For a >= 1 its quantiles above the median are
    within 3 % of the exact ones; taking b itself for the second gamma falls
    short by 4 % at a = 1, b = 49 and by more where b is smaller.  `scale`, of all arms or float64[A],
    multiplies the deviation and leaves the mean: 0 gives the mean, 1 the posterior.
    `built` says whether the compiled code does it, which gives the same bits sooner.
    """
    scales = np.ascontiguousarray(np.broadcast_to(np.asarray(scale, dtype=np.float64), a.shape))
    if built:
        draws = np.empty(z.shape[1:])
        scan.beta(draws, np.ascontiguousarray(a), np.ascontiguousarray(b), np.ascontiguousarray(z), scales)
        return draws
    hits = gamma_draws(a[:, None], z[0], scales[:, None])
    total = hits + gamma_draws(b[:, None], z[1], scales[:, None])
    middle = np.broadcast_to((a / (a + b))[:, None], total.shape)
    return np.divide(hits, total, out=middle.copy(), where=total > 0.0)


def sale_normals(page: str, segment: str, hashes: Hashes, variants: int, epoch: int) -> Floats:
    """The normals that a draw of a click's value needs, float64[3, A, V]."""
    return np.stack([normals(page, segment, hashes, stage, variants, epoch) for stage in SALE_STAGES])


def spread(deviations: Floats, slots: int, exploration: float) -> Floats:
    """How widely arms are drawn, as a share of their posteriors' own deviation, float64[..., A] in [0, 1].

    `deviations` [..., A] are these, relative to the means.  An arm that is known give or take `USUAL_DEVIATION` is
    drawn with `exploration` times its deviation; one that is hardly known with more, up to all of it (Thompson
    1933), one that is known well with less: trying the one may find a better page for all days to come, trying the
    other finds nothing new.  Where much is in doubt beside what was fitted, arms differ much, and there is more to be
    found.  Where the arms that fill a page's `slots` are known from more clicks than `PLENTY`, so much
    traffic leaves no good arm untried in the long run, whatever was believed of it at first.
    """
    arms = deviations.shape[-1]
    best_known = np.sort(np.partition(deviations, slots, axis=-1)[..., :slots] if slots < arms else deviations, axis=-1)
    clicks = np.square(1.0 / np.maximum(best_known, SMALLEST)).sum(axis=-1, keepdims=True) / max(1, min(slots, arms))
    scale: Floats = np.minimum(1.0, exploration / USUAL_DEVIATION * np.maximum(1.0, clicks / PLENTY) * deviations)
    return scale


def click_draws(beta: Beta, z: Floats, slots: int, exploration: float) -> Floats:
    """Drawn attractiveness, float64[A, V], from the normals of `CLICK_STAGES`, float64[2, A, V]."""
    return beta_draws(beta.a, beta.b, z, spread(beta.relative_deviation, slots, exploration))


def click_value_draws(value: ClickValue, z: Floats, slots: int, exploration: float) -> Floats:
    """Drawn values of a click, float64[A, V], from the normals of `SALE_STAGES`, float64[3, A, V]."""
    scale = spread(value.buying.relative_deviation, slots, exploration)
    rate = beta_draws(value.buying.a, value.buying.b, z[:2], scale)
    amount = np.maximum(0.0, value.amount[:, None] + z[2] * (scale * value.error)[:, None])
    drawn: Floats = value.click + rate * amount * value.earned[:, None]
    return drawn


def factor_draws(mean: Floats, variance: Floats, z: Floats) -> Floats:
    """Draws of N factors around their means, with these relative variances [N], from standard normals [N, D]."""
    shape = 1.0 / np.maximum(variance, 1e-12)
    return np.asarray((mean / shape)[:, None] * gamma_draws(shape[:, None], z))
