"""The papers up to 2023 that laws come from, by key."""

from __future__ import annotations

from .citation import Citation

TO_2023: dict[str, Citation] = {
    "hestness2017": Citation(
        "Hestness et al.",
        2017,
        "Deep Learning Scaling is Predictable, Empirically",
        "1712.00409",
    ),
    "mccandlish2018": Citation(
        "McCandlish et al.",
        2018,
        "An Empirical Model of Large-Batch Training",
        "1812.06162",
    ),
    "nakkiran2019": Citation(
        "Nakkiran et al.",
        2019,
        "Deep Double Descent: Where Bigger Models and More Data Hurt",
        "1912.02292",
    ),
    "kaplan2020": Citation(
        "Kaplan et al.",
        2020,
        "Scaling Laws for Neural Language Models",
        "2001.08361",
    ),
    "henighan2020": Citation(
        "Henighan et al.",
        2020,
        "Scaling Laws for Autoregressive Generative Modeling",
        "2010.14701",
    ),
    "bahri2021": Citation("Bahri et al.", 2021, "Explaining Neural Scaling Laws", "2102.06701"),
    "ghorbani2021": Citation(
        "Ghorbani et al.",
        2021,
        "Scaling Laws for Neural Machine Translation",
        "2109.07740",
    ),
    "clark2022": Citation(
        "Clark et al.",
        2022,
        "Unified Scaling Laws for Routed Language Models",
        "2202.01169",
    ),
    "hoffmann2022": Citation(
        "Hoffmann et al.",
        2022,
        "Training Compute-Optimal Large Language Models",
        "2203.15556",
    ),
    "sorscher2022": Citation(
        "Sorscher et al.",
        2022,
        "Beyond neural scaling laws: beating power law scaling via data pruning",
        "2206.14486",
    ),
    "alabdulmohsin2022": Citation(
        "Alabdulmohsin et al.",
        2022,
        "Revisiting Neural Scaling Laws in Language and Vision",
        "2209.06640",
    ),
    "caballero2022": Citation(
        "Caballero et al.",
        2022,
        "Broken Neural Scaling Laws",
        "2210.14891",
    ),
    "wei2022": Citation("Wei et al.", 2022, "Inverse scaling can become U-shaped", "2211.02011"),
    "fernandes2023": Citation(
        "Fernandes et al.",
        2023,
        "Scaling Laws for Multilingual Neural Machine Translation",
        "2302.09650",
    ),
    "xue2023": Citation(
        "Xue et al.",
        2023,
        "To Repeat or Not To Repeat: Insights from Scaling LLM under Token-Crisis",
        "2305.13230",
    ),
    "muennighoff2023": Citation(
        "Muennighoff et al.",
        2023,
        "Scaling Data-Constrained Language Models",
        "2305.16264",
    ),
    "mckenzie2023": Citation(
        "McKenzie et al.",
        2023,
        "Inverse Scaling: When Bigger Isn't Better",
        "2306.09479",
    ),
    "bachmann2023": Citation(
        "Bachmann et al.",
        2023,
        "Scaling MLPs: A Tale of Inductive Bias",
        "2306.13575",
    ),
    "kang2023": Citation(
        "Kang et al.",
        2023,
        "Performance Scaling via Optimal Transport: Enabling Data Selection "
        "from Partially Revealed Sources",
        "2307.02460",
    ),
    "orhan2023": Citation(
        "Orhan",
        2023,
        "Scaling may be all you need for achieving human-level object "
        "recognition capacity with human-like visual experience",
        "2308.03712",
    ),
    "fan2023": Citation(
        "Fan et al.",
        2023,
        "Scaling Laws of Synthetic Images for Model Training ... for Now",
        "2312.04567",
    ),
    "granziol2020": Citation(
        "Granziol et al.",
        2020,
        "Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to "
        "Neural Network Training",
        "2006.09092",
    ),
    "yang2022": Citation(
        "Yang et al.",
        2022,
        "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
        "2203.03466",
    ),
    "malladi2022": Citation(
        "Malladi et al.",
        2022,
        "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
        "2205.10287",
    ),
    "hu2023": Citation(
        "Hu et al.",
        2023,
        "Predicting Emergent Abilities with Infinite Resolution Evaluation",
        "2310.03262",
    ),
}
