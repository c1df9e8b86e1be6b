"""The stages of a round by name: what pages show, without the code that runs them."""

TITLES = {
    "prepare": "Draw the splits, open the budgets",
    "embed": "Embed the completions",
    "seed": "Dual-label the seed and the held-out prompts",
    "fit": "Fit the router",
    "route": "Route the rest under the budget",
    "label": "Collect the labels",
    "consensus": "Bring the labels together",
    "snapshot": "Freeze a snapshot",
    "reward": "Train the reward model",
    "policy": "Train the policy with DPO",
    "compare": "Compare with other mixes",
    "export": "Export the data set",
}
