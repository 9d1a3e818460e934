"""The papers that laws come from, by key; those up to 2023 are in a file of their own."""

from __future__ import annotations

from .citation import Citation
from .citations_to_2023 import TO_2023

CITATIONS: dict[str, Citation] = TO_2023 | {
    "konz2024": Citation(
        "Konz and Mazurowski",
        2024,
        "The Effect of Intrinsic Dataset Properties on Generalization: "
        "Unraveling Learning Differences Between Natural and Medical Images",
        "2401.08865",
    ),
    "gadre2024": Citation(
        "Gadre et al.",
        2024,
        "Language models scale reliably with over-training and on downstream tasks",
        "2403.08540",
    ),
    "su2024": Citation(
        "Su et al.",
        2024,
        "Unraveling the Mystery of Scaling Laws: Part I",
        "2403.06563",
    ),
    "ye2024": Citation(
        "Ye et al.",
        2024,
        "Data Mixing Laws: Optimizing Data Mixtures by Predicting Language Modeling Performance",
        "2403.16952",
    ),
    "li2024": Citation(
        "Li et al.",
        2024,
        "On the Scalability of Diffusion-based Text-to-Image Generation",
        "2404.02883",
    ),
    "allenzhu2024": Citation(
        "Allen-Zhu and Li",
        2024,
        "Physics of Language Models: Part 3.3, Knowledge Capacity Scaling Laws",
        "2404.05405",
    ),
    "goyal2024": Citation(
        "Goyal et al.",
        2024,
        "Scaling Laws for Data Filtering: Data Curation cannot be Compute Agnostic",
        "2404.07177",
    ),
    "besiroglu2024": Citation(
        "Besiroglu et al.",
        2024,
        "Chinchilla Scaling: A replication attempt",
        "2404.10102",
    ),
    "wei2024": Citation(
        "Wei et al.",
        2024,
        "Building on Efficient Foundations: Effectively Training LLMs with "
        "Structured Feedforward Layers",
        "2406.16450",
    ),
    "porian2024": Citation(
        "Porian et al.",
        2024,
        "Resolving Discrepancies in Compute-Optimal Scaling of Language Models",
        "2406.19146",
    ),
    "liu2024": Citation(
        "Liu et al.",
        2024,
        "RegMix: Data Mixture as Regression for Language Model Pre-training",
        "2407.01492",
    ),
    "shao2024": Citation(
        "Shao et al.",
        2024,
        "Scaling Retrieval-Based Language Models with a Trillion-Token Datastore",
        "2407.12854",
    ),
    "tao2024": Citation(
        "Tao et al.",
        2024,
        "Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies",
        "2407.13623",
    ),
    "yao2024": Citation(
        "Yao et al.",
        2024,
        "Towards Neural Scaling Laws for Time Series Foundation Models",
        "2410.12360",
    ),
    "lin2024": Citation(
        "Lin et al.",
        2024,
        "Data Scaling Laws in Imitation Learning for Robotic Manipulation",
        "2410.18647",
    ),
    "kumar2024": Citation("Kumar et al.", 2024, "Scaling Laws for Precision", "2411.04330"),
    "ouyang2024": Citation(
        "Ouyang et al.",
        2024,
        "Low-Bit Quantization Favors Undertrained LLMs: Scaling Laws for "
        "Quantized LLMs with 100T Training Tokens",
        "2411.17691",
    ),
    "xiao2024": Citation("Xiao et al.", 2024, "Densing Law of LLMs", "2412.04315"),
    "sun2025": Citation(
        "Sun et al.",
        2025,
        "Scaling Laws for Floating Point Quantization Training",
        "2501.02423",
    ),
    "jin2025": Citation(
        "Jin et al.",
        2025,
        "The Journey Matters: Average Parameter Count over Pre-training "
        "Unifies Sparse and Dense Scaling Laws",
        "2501.12486",
    ),
    "wang2025": Citation(
        "Wang et al.",
        2025,
        "Scaling Laws in Patchification: An Image Is Worth 50,176 Tokens And More",
        "2502.03738",
    ),
    "li2025": Citation(
        "Li et al.",
        2025,
        "Predictable Scale: Part II, Farseer: A Refined Scaling Law in Large Language Models",
        "2506.10972",
    ),
    "liu2025": Citation(
        "Liu et al.",
        2025,
        "Superposition Yields Robust Neural Scaling",
        "2505.10465",
    ),
    "chen2025": Citation(
        "Chen et al.",
        2025,
        "Parallel Scaling Law for Language Models",
        "2505.10475",
    ),
    "chen2025qat": Citation(
        "Chen et al.",
        2025,
        "Scaling Law for Quantization-Aware Training",
        "2505.14302",
    ),
    "zhang2025": Citation(
        "Zhang et al.",
        2025,
        "A Graph Neural Network for the Era of Large Atomistic Models",
        "2506.01686",
    ),
    "nezhurina2025": Citation(
        "Nezhurina et al.",
        2025,
        "Scaling Laws for Robust Comparison of Open Foundation Language-Vision Models and Datasets",
        "2506.04598",
    ),
    "yang2025": Citation(
        "Yang et al.",
        2025,
        "Parallel Scaling Law: Unveiling Reasoning Generalization through A "
        "Cross-Linguistic Perspective",
        "2510.02272",
    ),
    "deepseek2024": Citation(
        "DeepSeek-AI",
        2024,
        "DeepSeek LLM: Scaling Open-Source Language Models with Longtermism",
        "2401.02954",
    ),
    "hu2024": Citation(
        "Hu et al.",
        2024,
        "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training "
        "Strategies",
        "2404.06395",
    ),
    "tissue2024": Citation(
        "Tissue et al.",
        2024,
        "Scaling Law with Learning Rate Annealing",
        "2408.11029",
    ),
    "shen2024": Citation(
        "Shen et al.",
        2024,
        "Power Scheduler: A Batch Size and Token Number Agnostic Learning Rate Scheduler",
        "2408.13359",
    ),
    "bjorck2024": Citation(
        "Bjorck et al.",
        2024,
        "Scaling Optimal LR Across Token Horizons",
        "2409.19913",
    ),
    "choshen2024": Citation(
        "Choshen et al.",
        2024,
        "A Hitchhiker's Guide to Scaling Law Estimation",
        "2410.11840",
    ),
    "li2025a": Citation(
        "Li et al.",
        2025,
        "Predictable Scale: Part I, Step Law: Optimal Hyperparameter Scaling Law in "
        "Large Language Model Pretraining",
        "2503.04715",
    ),
    "luo2025": Citation(
        "Luo et al.",
        2025,
        "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules",
        "2503.12811",
    ),
    "khatri2025": Citation(
        "Khatri et al.",
        2025,
        "The Art of Scaling Reinforcement Learning Compute for LLMs",
        "2510.13786",
    ),
    "brown2024": Citation(
        "Brown et al.",
        2024,
        "Large Language Monkeys: Scaling Inference Compute with Repeated Sampling",
        "2407.21787",
    ),
    "stroebl2024": Citation(
        "Stroebl et al.",
        2024,
        "Inference Scaling fLaws: The Limits of LLM Resampling with Imperfect Verifiers",
        "2411.17501",
    ),
    "schaeffer2025": Citation(
        "Schaeffer et al.",
        2025,
        "How Do Large Language Monkeys Get Their Power (Laws)?",
        "2502.17578",
    ),
    "yan2025": Citation("Yan et al.", 2025, "Scaling Laws for Speculative Decoding", ""),
    "wang2025plateau": Citation(
        "Wang et al.",
        2025,
        "Scaling over Scaling: Exploring Test-Time Scaling Plateau in Large Reasoning Models",
        "",
    ),
    "kwok2025": Citation(
        "Kwok et al.",
        2025,
        "RoboMonkey: Scaling Test-Time Sampling and Verification for Vision-Language-Action Models",
        "",
    ),
    "isik2024": Citation(
        "Isik et al.",
        2024,
        "Scaling Laws for Downstream Task Performance of Large Language Models",
        "2402.04177",
    ),
    "ruan2024": Citation(
        "Ruan et al.",
        2024,
        "Observational Scaling Laws and the Predictability of Language Model Performance",
        "2405.10938",
    ),
    "schaeffer2024": Citation(
        "Schaeffer et al.",
        2024,
        "Why Has Predicting Downstream Capabilities of Frontier AI Models with Scale "
        "Remained Elusive?",
        "2406.04391",
    ),
    "bhagia2024": Citation(
        "Bhagia et al.",
        2024,
        "Establishing Task Scaling Laws via Compute-Efficient Model Ladders",
        "2412.04403",
    ),
    "xu2025": Citation(
        "Xu et al.",
        2025,
        "Unveiling Downstream Performance Scaling of LLMs: A Clustering-Based Perspective",
        "2502.17262",
    ),
    "czech2026": Citation(
        "Czech et al.",
        2026,
        "Problems with Chinchilla Approach 2: Systematic Biases in IsoFLOP Parabola Fits",
        "2603.22339",
    ),
    "videau": Citation("Videau et al.", None, "the Skaling form of the loss in N and D", ""),
}
