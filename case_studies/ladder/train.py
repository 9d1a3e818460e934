"""Train one run from scratch, and measure it."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import time
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from . import corpus, networks, probes

CONTEXT = 128  # symbols a window
CURVE_POINTS = 40
WARM_UP = 0.05  # share of the steps
SCHEDULES = ("constant", "cosine", "wsd")
COSINE_FLOOR = 0.1  # of the peak
WSD_DECAY = 0.2  # share of the steps, linear to zero
WEIGHT_DECAY = 0.1  # times the learning rate
TEST_WINDOWS, VALIDATION_WINDOWS, CURVE_WINDOWS = 4096, 512, 64
EVALUATION_BATCH = 32


@dataclass(frozen=True)
class Setting:
    """Everything that decides a run.

    Attributes
    ----------
    recipe, architecture, optimizer : str
    width, depth : int
    tokens : int
        Symbols trained on, each once.
    batch : int
        Windows of `CONTEXT` symbols a step.
    lr : float
        Peak learning rate.
    schedule : str
    seed : int
        Of the initial weights and the order of the windows.
    """

    recipe: str
    architecture: str
    optimizer: str
    width: int
    depth: int
    tokens: int
    batch: int
    lr: float
    schedule: str
    seed: int

    @property
    def key(self) -> str:
        """A name that no other setting has."""
        return "/".join(str(value) for value in dataclasses.astuple(self))

    @property
    def steps(self) -> int:
        return self.tokens // (self.batch * CONTEXT)


@dataclass(frozen=True)
class Text:
    """The windows and probes that all runs share."""

    train: np.ndarray
    validation: np.ndarray
    curve: np.ndarray
    test: np.ndarray
    probes: dict[str, probes.Probe]
    sha256: str


@functools.cache
def text() -> Text:
    """Read the corpus and cut it into windows."""
    found = corpus.load()
    return Text(
        train=corpus.windows(found.symbols["train"], CONTEXT),
        validation=corpus.windows(found.symbols["validation"], CONTEXT, VALIDATION_WINDOWS),
        curve=corpus.windows(found.symbols["validation"], CONTEXT, CURVE_WINDOWS),
        test=corpus.windows(found.symbols["test"], CONTEXT, TEST_WINDOWS),
        probes=probes.build(found.texts["test"], CONTEXT),
        sha256=found.sha256,
    )


def train(setting: Setting) -> dict:
    """Train a run and return its row, curve and probes, ready for JSON.

    Returns
    -------
    dict
        The setting, sizes, losses in nat a symbol with standard errors, ``status``
        (finished or diverged), ``curve`` (lists) and ``probes`` (successes).

    Raises
    ------
    ValueError
        If the run needs more windows than the corpus has.
    """
    data = text()
    if setting.steps * setting.batch > len(data.train):
        raise ValueError(
            f"{setting.key} needs {setting.steps * setting.batch} windows of {CONTEXT} symbols; "
            f"the training text has {len(data.train)}: lower tokens to at most "
            f"{len(data.train) * CONTEXT}"
        )
    begun = time.perf_counter()
    model_key, order_key = jax.random.split(jax.random.key(setting.seed))
    model = networks.build(
        setting.architecture, setting.width, setting.depth, corpus.VOCABULARY, model_key
    )
    state = (model, _optimizer(setting.optimizer).init(model))
    order = jax.random.permutation(order_key, len(data.train))
    plan = (
        jnp.float32(setting.lr),
        jnp.int32(setting.steps),
        jnp.int32(SCHEDULES.index(setting.schedule)),
    )
    train_windows = jnp.asarray(data.train)
    curve: dict[str, list] = {"step": [], "lr": [], "train_loss": [], "validation_loss": []}
    ends = np.unique(np.linspace(0, setting.steps, CURVE_POINTS + 1).round().astype(int))
    for first, last in itertools.pairwise(ends):
        state, mean_loss = _segment(
            state, train_windows, order, plan, first, last, setting.optimizer, setting.batch
        )
        curve["step"].append(int(last))
        curve["lr"].append(float(_learning_rate(last - 1, *plan)))
        curve["train_loss"].append(float(mean_loss))
        curve["validation_loss"].append(float(_window_losses(state[0], data.curve).mean()))
        if not math.isfinite(curve["train_loss"][-1]):
            break
    model = state[0]
    validation = np.asarray(_window_losses(model, data.validation), float)
    test = np.asarray(_window_losses(model, data.test), float)
    return {
        "key": setting.key,
        **dataclasses.asdict(setting),
        "N": networks.parameter_count(model),
        "N_embedding": model.embedding.size,
        "D": setting.steps * setting.batch * CONTEXT,
        "steps": setting.steps,
        "flops": 3.0
        * networks.forward_flops(setting.architecture, model, CONTEXT)
        * setting.steps
        * setting.batch
        * CONTEXT,
        "loss": test.mean(),
        "loss_se": test.std(ddof=1) / math.sqrt(len(test)),
        "validation_loss": validation.mean(),
        "status": status(curve, validation.mean()),
        "curve": curve,
        "probes": {name: _successes(model, probe) for name, probe in data.probes.items()},
        "seconds": time.perf_counter() - begun,
        "corpus_sha256": data.sha256,
    }


def status(curve: dict[str, list], loss: float) -> str:
    """Return diverged where the loss left a uniform guess and its own first point behind.

    A slow run may begin worse than a uniform guess, but only one that diverges comes back to it.
    """
    worst = max([*curve["train_loss"][1:], loss], key=lambda x: x if math.isfinite(x) else math.inf)
    limit = max(math.log(corpus.VOCABULARY), curve["train_loss"][0])
    return "finished" if worst < limit else "diverged"


def _learning_rate(step: Array, peak: Array, steps: Array, schedule: Array) -> Array:
    done = (step + 1) / steps
    warm = jnp.minimum(1.0, done / WARM_UP)
    progress = jnp.clip((done - WARM_UP) / (1 - WARM_UP), 0.0, 1.0)
    cosine = COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + jnp.cos(jnp.pi * progress))
    wsd = jnp.minimum(1.0, (1 - done) / WSD_DECAY + 1e-3)
    return peak * warm * jnp.stack([jnp.ones_like(cosine), cosine, wsd])[schedule]


def _optimizer(name: str) -> optax.GradientTransformation:
    """Return AdamW or Muon for a learning rate of one; steps are scaled afterwards."""
    adam = optax.chain(
        optax.scale_by_adam(b1=0.9, b2=0.95), optax.add_decayed_weights(WEIGHT_DECAY, _is_matrix)
    )
    if name == "adamw":
        return adam
    # steps of root mean square 0.2, as Adam's are about, so that one learning rate serves both
    muon = optax.chain(
        optax.contrib.scale_by_muon(weight_dimension_numbers=_plain_matrices),
        optax.stateless_with_tree_map(lambda step, weight: step * _muon_scale(step.shape)),
        optax.add_decayed_weights(WEIGHT_DECAY),
    )
    return optax.partition({"muon": muon, "adam": adam}, _muon_labels)


def _is_matrix(model: networks.LanguageModel) -> networks.LanguageModel:
    return jax.tree.map(lambda leaf: leaf.ndim == 2, model)


def _muon_labels(model: networks.LanguageModel) -> networks.LanguageModel:
    # matrices inside blocks; embedding, gains and short convolutions go to Adam
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            "muon" if path[-1].name in ("inward", "outward") and leaf.ndim == 2 else "adam"
        ),
        model,
    )


def _plain_matrices(updates: networks.LanguageModel) -> networks.LanguageModel:
    # said leaf by leaf, so that leaves left to Adam need none
    return jax.tree.map(lambda leaf: optax.contrib.MuonDimensionNumbers(), updates)


def _muon_scale(shape: tuple[int, ...]) -> float:
    # an orthogonal matrix of this shape has entries of root mean square max(shape)^-1/2
    return 0.2 * max(shape) ** 0.5


@functools.partial(jax.jit, static_argnames=("optimizer", "batch"), donate_argnums=0)
def _segment(state, windows, order, plan, first, last, optimizer, batch):
    """Train from step `first` to `last`; return the state and the mean loss of the steps."""
    transform = _optimizer(optimizer)

    def step(number, carry):
        (model, memory), total = carry
        chosen = jax.lax.dynamic_slice_in_dim(order, number * batch, batch)
        loss, gradient = jax.value_and_grad(_loss)(model, windows[chosen].astype(jnp.int32))
        update, memory = transform.update(gradient, memory, model)
        rate = _learning_rate(number, *plan)
        model = jax.tree.map(lambda weight, change: weight - rate * change, model, update)
        return (model, memory), total + loss

    state, total = jax.lax.fori_loop(first, last, step, (state, 0.0))
    return state, total / (last - first)


def _loss(model: networks.LanguageModel, windows: Array) -> Array:
    return _symbol_losses(model, windows).mean()


def _symbol_losses(model: networks.LanguageModel, windows: Array) -> Array:
    logits = model(windows[:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, windows[:, 1:])


@eqx.filter_jit
def _window_losses(model: networks.LanguageModel, windows: np.ndarray) -> Array:
    batches = jnp.asarray(windows, jnp.int32).reshape(-1, EVALUATION_BATCH, CONTEXT + 1)
    return jax.lax.map(lambda w: _symbol_losses(model, w).mean(axis=1), batches).ravel()


def _successes(model: networks.LanguageModel, probe: probes.Probe) -> int:
    masses = np.asarray(_choice_masses(model, probe.contexts, probe.lengths, probe.candidates))
    return int((masses[:, :1] > masses[:, 1:]).all(axis=1).sum())


@eqx.filter_jit
def _choice_masses(model, contexts, lengths, candidates):
    """Return the probability of each choice, shape (trials, choices)."""

    def one_batch(batch):
        symbols, length, choices = batch
        logits = model(symbols)[jnp.arange(len(symbols)), length - 1]
        return jnp.einsum("tv,tcv->tc", jax.nn.softmax(logits), choices.astype(jnp.float32))

    batches = jax.tree.map(
        lambda part: part.reshape(-1, EVALUATION_BATCH, *part.shape[1:]),
        (jnp.asarray(contexts, jnp.int32), jnp.asarray(lengths), jnp.asarray(candidates)),
    )
    return jax.lax.map(one_batch, batches).reshape(-1, candidates.shape[1])
