r"""The coordinates that the sampler walks in.

The program's own coordinates (centres, group effects, rung effects) are badly
correlated, in a way that changes with the group and noise scales. Given those
scales the program is nearly linear and normal, so each draw is written as

.. math:: (t, u) = m(\eta) + C(\eta)^{-\top} z, \qquad u \to u + \delta(t, \eta)

where :math:`\eta` are the scales (group sds, sigma, nu, rung sd), :math:`t` the
centres and group effects, :math:`u` the rung effects, and m and C come from
linearising the program once; :math:`\delta` is what the curvature of the program
adds to the conditional mean of u. Then z is close to standard normal whatever the
scales are: between the centred and the non-centred form, as much as the data
of each group say. The density is exact: the log determinant is added.

C is a root of an arrow (`arrow.py`), so that its cost grows with the number of groups
and not with its cube; without effects it needs no Cholesky root at all (`axes.py`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.nn import sigmoid
from jax.scipy.special import logit
from jaxtyping import Float
from numpyro.infer.util import potential_energy

from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.noise import (
    HALF_NORMAL_VARIANCE,
    NU_FLOOR,
    RUNG_SD,
    rung_weights,
)
from bayes_scaling.program.observation import correlation, spread_of
from bayes_scaling.program.program import predict, program
from bayes_scaling.program.structure import Data, Structure, rung_unit

from .arrow import Arrow, Layout, Root, Split, semi_definite
from .axes import Stretched, axes_of
from .finite import never_nan
from .integrated import Conditional, conditional
from .linearised import Linearised, Sums, Weights
from .modes import log_normal_mode, scale_mode
from .rows import Rows
from .start import centre_shifts, first_sites, log_prior_of_centres, scale_widths
from .whitening import Frame

Free = dict[str, Array]


class Point(NamedTuple):
    """A point of the program: scales, centres and effects (flat), rung effects."""

    eta: Float[Array, " e"]
    t: Float[Array, " d"]
    u: Float[Array, " rungs"]


class Coordinates:
    """Maps between the sampler's coordinates and the program's sites.

    Parameters
    ----------
    structure : Structure
    data : Data
        Arrays, possibly traced by JAX.
    """

    def __init__(self, structure: Structure, data: Data):
        self.structure = structure
        self.data = data
        sites = structure.sites()
        start = first_sites(structure, data)
        linear = ("centre", "effect", "discrepancy")
        t0 = {k: start[k] for k, s in sites.items() if s.kind in linear}
        scales = ("group_sd", "noise", "rung_sd", "discrepancy_sd")
        eta0 = {k: start[k] for k, s in sites.items() if s.kind in scales}
        self.t0, self._unravel_t = ravel_pytree(t0)
        self.eta0, self._unravel_eta = ravel_pytree(eta0)
        self.n_eta, self.n_t, self.n_rungs = len(self.eta0), len(self.t0), structure.rungs
        # the scale of each effect, as an index into eta; -1 for centres
        where = {k: i for i, k in enumerate(sorted(eta0))}
        owners = [
            np.full(sites[k].shape, -1 if sites[k].kind == "centre" else where[structure.owner(k)])
            for k in sorted(t0)
        ]
        self._where = where
        self._owner = np.concatenate([np.ravel(o) for o in owners])
        self.is_effect = self._owner >= 0
        self._scale = np.append(self._owner, np.full(self.n_rungs, where.get("rung_sd", -1)))
        self.rows = Rows(structure, data)
        order = iter(np.split(np.arange(self.n_t), np.cumsum([o.size for o in owners])))
        places = {k: next(order).reshape(sites[k].shape) for k in sorted(t0)}
        self.sums = Sums(structure, self.rows, places)
        self.layout = self.sums.layout
        # without effects the precision follows one scale alone: that of the noise
        self.one_scale = not (self._scale >= 0).any() and len(self.rows.measures) == 1
        count = len(structure.integrated)
        self._integrated, seen = np.split(self.layout.own, [count], axis=1)
        self._kept = np.setdiff1d(np.arange(self.n_t + self.n_rungs), self._integrated)
        # of all coordinates: scales are in the border, too
        place = np.zeros(self.n_t + self.n_rungs, dtype=int)
        place[self._kept] = self.n_eta + np.arange(self._kept.size)
        border = [np.arange(self.n_eta), place[self.layout.border]]
        self.whole = Layout(
            place[seen] if seen.size else np.zeros((0, 1), int), np.concatenate(border)
        )

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.n_eta + self._kept.size

    def free(self, point: Point) -> Free:
        """All sites on the unconstrained scale."""
        sites = self._sites_of_t(point.t) | self._unravel_eta(point.eta)
        return sites | {"rung_effect": point.u} if self.n_rungs else sites

    def flat(self, free: Free) -> tuple[Float[Array, " d"], Float[Array, " e"]]:
        """Centres and effects (sheared), and scales, of sites on the unconstrained scale."""
        shifts = centre_shifts(self.structure, free)
        t = {k: free[k] + shifts.get(k, 0.0) for k in self._unravel_t(self.t0)}
        return ravel_pytree(t)[0], ravel_pytree({k: free[k] for k in self._where})[0]

    def log_density(self, x: Float[Array, " n"], lin: Linearised) -> Float[Array, ""]:
        """Log posterior density in the sampler's coordinates, exact up to a constant."""
        point, log_det = self.to_point(x, lin)
        return self.log_posterior(point) + log_det

    def log_posterior(self, point: Point) -> Float[Array, ""]:
        """Log density of the NumPyro program on the unconstrained scale."""
        free = self.free(point)
        return never_nan(-potential_energy(program, (self.structure, self.data), {}, free))

    def to_point(
        self, x: Float[Array, " n"], lin: Linearised, key: Array | None = None
    ) -> tuple[Point, Float[Array, ""]]:
        """Map coordinates to the program's sites; also the log determinant.

        Effects that are integrated out take their mean given all else, or a draw with a `key`;
        the log density then is that of all else.
        """
        eta, kept = x[: self.n_eta], x[self.n_eta :]
        # a scatter costs time at every evaluation, and few programs need it
        z = jnp.zeros(self._scale.size).at[self._kept].set(kept) if self._integrated.size else kept
        root, half = self._conditional(eta, lin)
        drawn = jax.tree.map(jnp.add, half, self.layout.split(z))
        t, u = self._parts(root.solve_transposed(drawn))
        if not self._integrated.size:
            return Point(eta, t, u + self._bend(eta, t, lin)), -root.log_det()
        found = self._given_all_else(Point(eta, t, u))
        hidden = found.mean if key is None else found.drawn(key)
        count = hidden.shape[1]
        assert isinstance(root, Root)  # there are effects
        integrated = jnp.diagonal(root.own[:, :count, :count], axis1=-2, axis2=-1)
        log_det = jnp.sum(jnp.log(integrated)) - root.log_det() - found.log_det()
        return Point(eta, t.at[self._integrated].set(hidden), u), log_det

    def to_x(self, point: Point, lin: Linearised) -> Float[Array, " n"]:
        """Inverse of `to_point`."""
        root, half = self._conditional(point.eta, lin)
        u = point.u if self._integrated.size else point.u - self._bend(point.eta, point.t, lin)
        drawn = root.times_transposed(self.layout.split(jnp.concatenate([point.t, u])))
        z = self.layout.join(jax.tree.map(jnp.subtract, drawn, half))
        return jnp.append(point.eta, z[self._kept])

    def placed(self, frame: Frame, position: Float[Array, " n"]) -> Float[Array, " n"]:
        """Coordinates of a whitened position."""
        return frame.centre + self.whole.join(frame.factor.times(self.whole.split(position)))

    def position(self, frame: Frame, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Inverse of `placed`."""
        return self.whole.join(frame.factor.solve(self.whole.split(x - frame.centre)))

    def rung_mean(self, eta: Float[Array, " e"], t: Float[Array, " d"], lin: Linearised) -> Array:
        """Conditional mean of the rung effects (empty without rungs)."""
        if not self.n_rungs:
            return jnp.zeros(0)
        residual = self.sums.by_rungs(lin.weights * (lin.observed - self._predict(t)))
        return self._rung_gain(eta, lin) * residual

    def conditional_moments(
        self, eta: Float[Array, " e"], lin: Linearised
    ) -> tuple[Float[Array, " d"], Arrow]:
        """Mean of centres and effects given the scales, and covariance with rungs, linearised."""
        root, half = self._conditional(eta, lin)
        return self._parts(root.solve_transposed(half))[0], root.inverse()

    def update_scales(self, point: Point, covariance: Arrow, lin: Linearised) -> Float[Array, " e"]:
        """One step of expectation-maximisation of the scales; nu stays."""
        sites = self._unravel_eta(point.eta)
        left = self.rows.observed - self._predict(point.t) - self.rows.shared(point.u)
        if self.structure.serial and self.data.previous is not None:
            before = jnp.where(self.data.previous >= 0, left[self.data.previous], 0.0)
            found = jnp.sum(left * before) / jnp.maximum(jnp.sum(before**2), 1e-300)
            left = self._innovations(left, sigmoid(sites["rho"]))
            sites["rho"] = logit(jnp.clip(found, 0.02, 0.98))
        variance_t, variance_u = self._parts(covariance.diagonal())
        if self.n_rungs:
            total = jnp.sum(lin.rung_prior * (point.u**2 + variance_u))
            unit = rung_unit(self.structure, self.data)
            sites["rung_sd"] = scale_mode(total, self.n_rungs, RUNG_SD * unit)
        for m, measure in enumerate(self.rows.measures):
            if isinstance(measure.noise, BoundedNoise):
                continue  # their scalars have no closed form: see `likelihood_scalars`
            rows = measure.rows
            fitted = jax.tree.map(lambda a, m=m: a[m], lin.precision).inner(covariance)
            squares = jnp.sum(lin.weights[rows] * left[rows] ** 2)
            # below a millionth of the scale a noiseless table would run away
            least = (1e-6 * measure.scale) ** 2
            count: Any = left[rows].size
            if self.data.copies is not None and self.data.losses is None:
                count = jnp.sum(self.data.copies)
            variance = jnp.maximum((squares + fitted) / count, least)
            if measure.noise.side:  # half to each: the sampler finds the split
                sites["excess"] = 0.5 * jnp.log(0.5 * variance / HALF_NORMAL_VARIANCE)
                variance = 0.5 * variance
            sites[measure.prefix + "sigma"] = 0.5 * jnp.log(variance)
        second = point.t**2 + variance_t
        for name, site in self.structure.sites().items():
            if site.kind == "group_sd":
                members = self._owner == self._where[name]
                prior = self.data.prior_sd[name]
                sites[name] = scale_mode(second[members].sum(), int(members.sum()), prior)
            elif site.kind == "discrepancy_sd":
                members = self._owner == self._where[name]
                sites[name] = log_normal_mode(
                    second[members].sum(),
                    int(members.sum()),
                    self.data.prior_loc[name],
                    self.data.prior_sd[name],
                )
        return ravel_pytree(sites)[0]

    @property
    def eta_width(self) -> Float[Array, " e"]:
        """Rough posterior sds of the scales, where the whitening starts."""
        members = np.bincount(self._scale[self._scale >= 0], minlength=self.n_eta)
        widths = scale_widths(self.rows.size, {k: members[i] for k, i in self._where.items()})
        return jnp.array([widths[k] for k in sorted(self._where)])

    @property
    def likelihood_scalars(self) -> dict[str, int]:
        """Places in eta of scalars that no closed form updates: concentrations, gaps."""
        bounded = isinstance(self.structure.noise, BoundedNoise)
        names = [name for name in self.structure.own_scalars if bounded]
        names += ["settling"] if self.structure.settling else []
        return {name: self._where[name] for name in names}

    def linearise(self, t: Float[Array, " d"], weights: Weights) -> Linearised:
        """Linearise the program at `t`, with runs and rungs weighted."""
        value, columns, along = self.sums.jacobian(self._predict, t)
        pseudo = self._innovations(weights.observed - value + along, weights.rho)
        columns = self._innovations(columns, weights.rho)
        found = []
        for measure in self.rows.measures:
            inside = np.zeros(self.rows.size)
            inside[measure.rows] = 1.0
            found.append(self.sums.arrow(columns, pseudo, jnp.asarray(inside) * weights.runs))
        precision, moment = jax.tree.map(lambda *a: jnp.stack(a), *found)
        prior = self._linearised_prior(t)
        axes = None
        if self.one_scale:
            usual = self.rows.measures[0].scale ** -2.0
            axes = axes_of(precision.border[0], moment.border[0], *prior, usual)
        return Linearised(
            precision,
            moment,
            *prior,
            axes,
            weights=weights.runs,
            observed=weights.observed,
            rung_weight=self.sums.by_rungs(weights.runs),
            rung_prior=weights.rungs,
        )

    def weights(self, point: Point) -> Weights:
        """Weights of rows and rungs, relative to 1 / sigma^2 and 1 / rung_sd^2."""
        sites, values = self._sites_of_t(point.t), self._noise_values(point.eta)
        rho = values.get("rho", jnp.zeros(()))
        found = self.rows.working(sites, values, point.u, lambda rows: self._innovations(rows, rho))
        rungs = jnp.zeros(0)
        if self.n_rungs:
            rung_sd = jnp.exp(self._unravel_eta(point.eta)["rung_sd"])
            rungs = rung_weights(self.structure.rung_noise, point.u / rung_sd)
        return Weights(found.weight, rungs, rho, found.observed)

    def first_weights(self, point: Point) -> Weights:
        """Weights that do not trust a starting point, wherever it lies."""
        found = self.weights(point)
        first = self.rows.unconditional(found.runs, found.observed)
        return found._replace(
            runs=first.weight, rungs=jnp.ones_like(found.rungs), observed=first.observed
        )

    # -- pieces ------------------------------------------------------------

    def _sites_of_t(self, t: Float[Array, " d"]) -> Free:
        """Undo the law's shear of the centres."""
        sheared = self._unravel_t(t)
        return sheared | {
            k: sheared[k] - s for k, s in centre_shifts(self.structure, sheared).items()
        }

    def _predict(self, t: Float[Array, " d"]) -> Float[Array, " runs"]:
        return predict(self.structure, self.data, self._sites_of_t(t))

    def _innovations(
        self, rows: Float[Array, "runs *k"], rho: Float[Array, ""]
    ) -> Float[Array, "runs *k"]:
        """What rows add to the rows before them, scaled to the variance of a row by itself."""
        if not self.structure.serial or self.n_rungs:  # sums by rung need independent rows
            return rows
        tie = correlation(self.data, rho).reshape(-1, *[1] * (rows.ndim - 1))
        return (rows - tie * rows[self.data.previous]) / jnp.sqrt(1.0 - tie**2)

    def _given_all_else(self, point: Point) -> Conditional:
        """Distribution of the effects that are integrated out, given all else."""
        observed, values = self.rows.observed, self._noise_values(point.eta)
        spread = spread_of(self.structure, self.data, {}, values, observed)
        precision = jnp.broadcast_to(spread, observed.shape) ** -2.0
        return conditional(
            self._predict,
            point.t,
            self._integrated,
            observed=observed - self.rows.shared(point.u),
            row_precision=precision if self.data.copies is None else self.data.copies * precision,
            effect_precision=jnp.exp(-2.0 * point.eta[self._scale[self._integrated[0]]]),
            by_group=self.sums.by_blocks,
        )

    def _parts(self, split: Split) -> tuple[Float[Array, " d"], Float[Array, " rungs"]]:
        """Centres with effects, and rung effects."""
        whole = self.layout.join(split)
        return whole[: self.n_t], whole[self.n_t :]

    def _linearised_prior(
        self, t: Float[Array, " d"]
    ) -> tuple[Float[Array, "b b"], Float[Array, " b"]]:
        """Precision and moment of the prior of the centres, at their places in the border."""
        place = np.flatnonzero(np.isin(self.layout.border, np.flatnonzero(~self.is_effect)))
        chosen, size = self.layout.border[place], len(self.layout.border)

        def log_prior(values: Float[Array, " c"]) -> Float[Array, ""]:
            sites = self._sites_of_t(t.at[chosen].set(values))
            return log_prior_of_centres(self.structure, self.data, sites)

        gradient = jax.grad(log_prior)(t[chosen])
        curvature = semi_definite(-jax.hessian(log_prior)(t[chosen]))
        precision = jnp.zeros((size, size)).at[np.ix_(place, place)].set(curvature)
        return precision, jnp.zeros(size).at[place].set(gradient + curvature @ t[chosen])

    def _noise_values(self, eta: Float[Array, " e"]) -> dict[str, Array]:
        sites = self._unravel_eta(eta)
        values = {k: jnp.exp(sites[k]) for k in self.structure.noise_parameters}
        values |= {k: NU_FLOOR + values[k] for k in ("nu", "loss_nu") if k in values}
        return values | ({"rho": sigmoid(sites["rho"])} if "rho" in values else {})

    def _conditional(
        self, eta: Float[Array, " e"], lin: Linearised
    ) -> tuple[Root | Stretched, Split]:
        """Root C of the precision given the scales, and C^-1 times its moment."""
        per_variance = self.rows.per_variance(self._unravel_eta(eta))
        if lin.axes is not None:
            return lin.axes.at(per_variance[0])
        precision, moment = jax.tree.map(
            lambda a: jnp.tensordot(per_variance, a, 1), (lin.precision, lin.moment)
        )
        of_scale = jnp.exp(-2.0 * jnp.append(eta, 0.0)[self._scale])
        effects = jnp.where(self._scale >= 0, of_scale, 0.0)
        effects = effects * jnp.append(jnp.ones(self.n_t), lin.rung_prior)
        precision = precision.plus_diagonal(self.layout.split(effects))
        root = precision._replace(border=precision.border + lin.prior_precision).root()
        return root, root.solve(moment._replace(border=moment.border + lin.prior_moment))

    def _bend(
        self, eta: Float[Array, " e"], t: Float[Array, " d"], lin: Linearised
    ) -> Float[Array, " rungs"]:
        """How far the conditional mean of rung effects lies off that of the linear program."""
        if not self.n_rungs:
            return jnp.zeros(0)
        first, moment = jax.tree.map(lambda a: a[0], (lin.precision, lin.moment))
        alone = self.layout.split(jnp.append(t, jnp.zeros(self.n_rungs)))
        linear = self._parts(jax.tree.map(jnp.subtract, moment, first.times(alone)))[1]
        return self.rung_mean(eta, t, lin) - self._rung_gain(eta, lin) * linear

    def _rung_gain(self, eta: Float[Array, " e"], lin: Linearised) -> Float[Array, " rungs"]:
        """By how much a rung follows the weighted sum of its residuals, given the scales."""
        sites = self._unravel_eta(eta)
        per_variance = self.rows.per_variance(sites)[0]
        prior = lin.rung_prior * jnp.exp(-2.0 * sites["rung_sd"])
        return per_variance / (prior + lin.rung_weight * per_variance)
