"""The benchmarks that are read, without what reading and scoring them needs."""

BENCHMARKS = {
    "rewardbench": "RewardBench",
    "rewardbench2": "RewardBench 2",
    "judgebench": "JudgeBench",
    "llmbar": "LLMBar",
}
