"""Loss curves under schedules that were never run, three sizes pooled, and rewards.

python case_studies/trajectories/run.py curves     # each law alone, 25M
python case_studies/trajectories/run.py answers    # with the fit of curves: schedules, a job
python case_studies/trajectories/run.py pooled     # three sizes in one fit
python case_studies/trajectories/run.py rewards    # a Hill curve before and after its bend

Reads the tables multi_power_law and rl_gsm8k_josancamon of BAYES_SCALING_DATA.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import bayes_scaling as bs

HERE = Path(__file__).parent
NAMES = ("annealing", "multi_power")
TRAINED = ("cosine_24000", "constant_24000", "wsdcon_9")
WARMUP = 2160
# how much runs under one law may differ by schedule: in level, and in what annealing gains
BETWEEN = {"level": 0.002, "gain": 0.1}
SHARES = ("level", "reducible", "alpha", "gain")  # differ between sizes


@dataclass(frozen=True)
class Recipe:
    """A law and the rows that it is fitted to.

    Attributes
    ----------
    law : Law
    noise : str
    every : int
        Of the logged points, 128 steps apart.
    skip : int
        Steps after warm-up that are left out.
    """

    law: bs.Law
    noise: str
    every: int
    skip: int


def recipe_of(name: str, points: pd.DataFrame) -> Recipe:
    """Two ways with the beginning of a run, where the laws are off and so are runs."""
    if name == "annealing":  # leave it out
        return Recipe(bs.models.annealing.fix("delay", 0.0), "student-t", 1, 250)
    return Recipe(bs.models.multi_power.fix("delay", delay(points)), "lognormal", 5, 0)


def delay(points: pd.DataFrame) -> float:
    """How far two runs of one schedule are apart early on, as a share of the usual area.

    constant_24000 and wsdcon_9 of the 25M model have the same rates for 8,000 steps, and
    differ by what an area of 40 steps at the peak rate makes up for.
    """
    small = points[(points["size"] == "25M") & points["step"].between(WARMUP + 1, 3500)]
    one, other = (
        small[small["under"] == name].set_index("step")["loss"]
        for name in ("constant_24000", "wsdcon_9")
    )
    step = one.index.to_numpy(dtype=float)
    apart = np.log(one.to_numpy()) - np.log(np.interp(step, other.index, other))
    shift = apart / np.gradient(np.log(one.to_numpy()), step)
    steps = float(np.sqrt(np.mean(shift**2) / 2))
    seen = points[(points["under"] == "constant_24000") & (points["size"] == "25M")]["step"]
    area = np.exp(np.log(seen - WARMUP / 2).mean())  # in steps at the peak, half of warm-up's
    return float(steps / area)


def table() -> pd.DataFrame:
    """All logged points, with labels of size, schedule and run."""
    path = Path(os.environ["BAYES_SCALING_DATA"], "tables/multi_power_law/mpl_loss_curves.csv")
    points = pd.read_csv(path)
    size = points["model_M"].astype(str) + "M"
    return points.assign(size=size, run=size + "/" + points["schedule"]).rename(
        columns={"schedule": "under"}
    )


def read(points: pd.DataFrame, group: list[str]) -> bs.Runs:
    return bs.read_runs(
        points, inputs={"step": "step"}, run="run", rate="lr", rate_warmup=WARMUP, group=group
    )


def trained(points: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Rows of the curves that are fitted."""
    kept = points[points["under"].isin(TRAINED) & (points["step"] > WARMUP + recipe.skip)]
    return kept.groupby("run").nth(slice(0, None, recipe.every))


def score(fit: bs.Fit, points: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Error and coverage of each curve that was not fitted; its schedule is a new one."""
    left_out = read(points[~points["under"].isin(TRAINED)], groups)
    asked = left_out.points().drop(columns="under")
    asked["schedule"] = [left_out.schedules[name].text for name in asked["schedule"]]
    told = bs.forecast(fit, asked, force=True).summary()
    told["error"] = (told["q0.5"] / told["observed"] - 1).abs()
    told["held"] = told["observed"].between(told["q0.05"], told["q0.95"])
    return told.groupby("run").agg(
        points=("held", "size"), error=("error", "mean"), held=("held", "mean")
    )


def show(name: str, fit: bs.Fit, scored: pd.DataFrame, seconds: float) -> None:
    worst = fit.diagnostics
    print(f"\n{name} ({fit.law.name}): {seconds:.0f} s, {worst['divergences']} divergences, "
          f"R-hat {worst['max_rhat']:.4f}, ESS {worst['min_ess_bulk']:.0f}")  # fmt: skip
    shown = fit.summary()
    own = shown[shown["kind"].isin(["parameter", "centre", "group_sd", "noise"])]
    print(own[["name", "group", "mean", "sd", "contraction"]].round(4).to_string(index=False))
    print(scored.round(5).to_string())
    held = (scored["held"] * scored["points"]).sum() / scored["points"].sum()
    print(f"mean relative error of a curve {scored['error'].mean():.5f}; "
          f"90 % intervals hold {held:.1%} of {scored['points'].sum()} points")  # fmt: skip
    for finding in fit.warnings:
        print(f"{finding.severity}: {finding.message} [{finding.code}]")


def curves(names: list[str]) -> None:
    """Each law fitted to three curves of the 25M model, and scored on the other six."""
    everything = table()
    points = everything[everything["size"] == "25M"]
    for name in names or list(NAMES):
        recipe = recipe_of(name, everything)
        model = bs.ScalingModel(
            recipe.law,
            noise=recipe.noise,
            pool={"alpha": "complete"},
            group_sd=BETWEEN,
        )
        begun = time.perf_counter()
        fit = model.fit(read(trained(points, recipe), ["under"]), target_accept=0.98, report=print)
        seconds = time.perf_counter() - begun
        fit.save(HERE / "results" / f"{name}.nc")
        show(name, fit, score(fit, points, ["under"]), seconds)


def pooled(names: list[str]) -> None:
    """All training curves of three sizes in one fit, scored on the six of the 25M model."""
    points = table()
    for name in names or list(NAMES):
        recipe = recipe_of(name, points)
        recipe = replace(recipe, every=max(recipe.every, 3))
        pool = {p: {"size": "partial", "under": "complete"} for p in SHARES}
        pool |= {p: {"size": "partial", "under": "partial"} for p in BETWEEN}
        between = {p: {"under": sd} for p, sd in BETWEEN.items()}
        model = bs.ScalingModel(recipe.law, noise=recipe.noise, pool=pool, group_sd=between)
        groups = ["size", "under"]
        begun = time.perf_counter()
        fit = model.fit(read(trained(points, recipe), groups), target_accept=0.98, report=print)
        seconds = time.perf_counter() - begun
        fit.save(HERE / "results" / f"{name}-pooled.nc")
        small = points[points["size"] == "25M"]
        show(f"{name}, three sizes", fit, score(fit, small, groups), seconds)


def answers(_: list[str]) -> None:
    """The best of five schedules, and a run that is followed, by the fit of `curves`."""
    points = table()
    fit = bs.load(HERE / "results" / "annealing.nc")
    shape = f"peak=3e-4,steps=24000,warmup={WARMUP}"
    texts = {
        "constant": f"constant:{shape}",
        "cosine": f"cosine:{shape},final=3e-5",
        "wsd": f"wsd:{shape},decay_from=20000,final=3e-5",
        "wsd_linear": f"wsd_linear:{shape},decay_from=20000,final=3e-5",
        "long decay": f"wsd_linear:{shape},decay_from=12000,final=3e-5",
    }
    compared = bs.compare_schedules(fit, texts)
    print(compared.summary().round(4).to_string())
    drawn = HERE / "figures"
    bs.plot(compared).savefig(drawn / "schedules.png", dpi=110, bbox_inches="tight")
    job = points[points["run"] == "25M/cosine_72000"]
    whole = read(job, ["under"])
    seen = whole.points().drop(columns="under").iloc[:200:2]
    seen["schedule"] = whole.schedules["25M/cosine_72000"].text
    followed = bs.track(fit, seen)
    told = followed.summary().iloc[0]
    print(f"final loss of cosine_72000 from its first 200 points: {told['q0.5']:.4f} "
          f"({told['q0.05']:.4f} to {told['q0.95']:.4f}); alarm: {followed.alarm}, "
          f"p {followed.p_value:.3f}")  # fmt: skip
    print("measured in the end:", job["loss"].iloc[-1])
    bs.plot(followed).savefig(drawn / "track.png", dpi=110, bbox_inches="tight")


def rewards(_: list[str]) -> None:
    """A Hill curve of the reward, from the first part of the curves and from all of them."""
    path = Path(os.environ["BAYES_SCALING_DATA"], "tables/rl_gsm8k_josancamon")
    wide = pd.read_csv(path / "train_reward_curves.csv")
    long = wide.melt("Step", var_name="model", value_name="reward").dropna()
    long["run"] = long["model"]
    for most in (12, 24, int(long["Step"].max())):
        kept = long[long["Step"] <= most]
        runs = bs.read_runs(
            kept, inputs={"C": "Step"}, response="reward", run="run", group="model", unit="reward"
        )
        model = bs.ScalingModel(bs.models.reward_curve, noise="normal")
        fit = model.fit(runs, target_accept=0.99, draws=2000)
        shown = fit.summary()
        asymptote = shown[shown["name"].isin(["A", "C_mid"])]
        print(f"\nsteps up to {most}: {len(runs)} rewards, "
              f"{fit.diagnostics['divergences']} divergences, "
              f"R-hat {fit.diagnostics['max_rhat']:.3f}")  # fmt: skip
        print(
            asymptote[["name", "group", "q0.05", "q0.5", "q0.95"]].round(3).to_string(index=False)
        )
        print("largest reward seen:", kept.groupby("model")["reward"].max().round(3).to_dict())
        for finding in fit.warnings:
            print(f"{finding.severity}: {finding.message} [{finding.code}]")


def main(asked: list[str]) -> int:
    verbs = {"curves": curves, "answers": answers, "pooled": pooled, "rewards": rewards}
    (HERE / "results").mkdir(exist_ok=True)
    chosen = asked[:1] or list(verbs)
    for verb in chosen:
        verbs[verb](asked[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
