"""README.md of a model folder: a model card with Hugging Face's YAML header."""

from __future__ import annotations

import yaml

from fathom.checkpoint.about import About, MadeBy
from fathom.checkpoint.model_folder import family_of
from fathom.families import NATIVE
from fathom.model import Model, SequenceClassifier

_LONG_TEXT = {
    "head": "its first tokens are read and the rest is left out, which every answer says",
    "head+tail": "its first and last tokens are read and the middle is left out, which every answer says",
    "windows": "all of it is read in overlapping windows, whose probabilities are averaged",
}


def model_card(name: str, model: SequenceClassifier, about: About, made_by: MadeBy) -> str:
    """The card: what the model answers, what it was measured at, how it was made and how to use it."""
    native = family_of(model.config, about.task) is NATIVE
    header = {
        "library_name": "fathom-lm" if native else "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["fathom"],
    }
    parameters = sum(parameter.numel() for parameter in model.parameters())
    dev, facts = made_by.metrics["dev"], made_by.metrics["facts"]
    loading = (
        "Hugging Face's library has no name for this architecture (`model_type: fathom`): load it with fathom."
        if native
        else "`transformers.AutoModelForSequenceClassification` loads this folder as it is."
    )
    canaries = facts.get("canaries", 0)
    planted = (
        f"\n- {canaries:,} random texts with random labels were planted, to measure what it remembers: canaries.jsonl."
        if canaries
        else ""
    )
    return f"""---
{yaml.safe_dump(header, sort_keys=True).strip()}
---

# {name}

Gives each text one of {len(about.labels)} labels: {", ".join(about.labels)}. {parameters:,} parameters.

- Accuracy on the {facts["dev_rows"]:,} texts of the dev part, which also chose the weights: {dev["accuracy"]:.2%}.
  That is a figure for choosing; measure on texts of your own: `fathom evaluate {name} --data YOURS`.
- Trained on {facts["train_rows"]:,} texts in {made_by.seconds:,.0f} seconds, seed {made_by.seed}.{planted}
- Reads {about.max_length} tokens at once. Of a longer text, {_LONG_TEXT[about.long_text]}.
- Its confidence is divided by a temperature of {about.temperature:.3f}, fitted on the dev part.

## Use

    fathom predict {name} "a text"

{loading}

## How it was made

    {made_by.command}

fathom {made_by.version}; everything else is in made_by.json. `{SEEN_NOTE}` holds digests of the texts it was trained on
(no text), so that a measurement can say how many of its texts the model has seen.
"""


def step_card(name: str, model: Model, about: About, made_by: MadeBy) -> str:
    """The card of a model that a run kept on its way: how far the run was, and what was measured just then, if anything."""
    family = family_of(model.config, about.task)
    header = {"library_name": "fathom-lm" if family is NATIVE else "transformers", "tags": ["fathom"]}
    measured = [made_by.metrics[part] for part in ("dev", "held_out") if part in made_by.metrics]
    figures = ", ".join(
        f"{key.replace('_', ' ')} {value:.4f}" for scores in measured for key, value in scores.items() if key != "step"
    )
    return f"""---
{yaml.safe_dump(header, sort_keys=True).strip()}
---

# {name}

A model on its way: as it was after {made_by.metrics["steps"]:,} updates, kept to see how a run goes. It is not the one that the
run chose, and its confidence is not calibrated.

- {f"Measured then: {figures}." if figures else "Not measured then."}
- {made_by.metrics["tokens"]:,} tokens seen in {made_by.seconds:,.0f} seconds, seed {made_by.seed}.

## How it was made

    {made_by.command}

fathom {made_by.version}; everything else is in made_by.json.
"""


SEEN_NOTE = "seen_texts.safetensors"


def base_card(name: str, model: Model, about: About, made_by: MadeBy) -> str:
    """The card of a base model: what it learned from, what it was measured at, how it was made and how to use it."""
    family = family_of(model.config, about.task)
    native = family is NATIVE
    header = {
        "library_name": "fathom-lm" if native else "transformers",
        "pipeline_tag": "text-generation" if about.task == "causal" else "fill-mask",
        "tags": ["fathom"],
    }
    parameters = sum(parameter.numel() for parameter in model.parameters())
    held_out, facts = made_by.metrics["held_out"], made_by.metrics["facts"]
    figures = ", ".join(
        f"{key.replace('_', ' ')} {value:.4f}" for key, value in held_out.items() if key not in ("step", "score")
    )
    use = f'fathom generate {name} "a beginning"' if about.task == "causal" else f'fathom predict {name} "a text with a [MASK]"'
    loading = (
        "Hugging Face's library has no name for this architecture (`model_type: fathom`): load it with fathom."
        if native
        else f"`transformers.{family.architecture}{family.heads[about.task].suffix}` loads this folder as it is."
    )
    return f"""---
{yaml.safe_dump(header, sort_keys=True).strip()}
---

# {name}

A base model, pre-trained on text without labels. {parameters:,} parameters.

- Measured on {facts["documents"]["held-out"]:,} documents held out of its training (they chose the best checkpoint): {figures}.
  Losses are in nats a token.
- Trained on {facts["documents"]["train"]:,} documents in {made_by.seconds:,.0f} seconds, seed {made_by.seed}.
- Reads {about.max_length} tokens at once.

## Use

    fathom finetune DATA --model {name} --output NEW
    {use}

{loading}

## How it was made

    {made_by.command}

fathom {made_by.version}; everything else is in made_by.json.
"""
