"""`python -m tests.integrations.vendors.record [VENDOR[.PRESET]]...`: what to write into recorded.yaml.

Prints each preset whose sample is missing or comes to another request than the recorded one. Check
what it prints against the vendor's documentation before it goes into the file. Ends with 1 when it
printed something.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import django
import yaml

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")

if TYPE_CHECKING:
    from integrations.registry import Vendor


def main(wanted: list[str]) -> int:
    """Compare each preset that is asked for, or all."""
    django.setup()
    from integrations.registry import vendors

    differing = 0
    for vendor in vendors().values():
        for key in vendor.presets:
            if wanted and not {vendor.key, f"{vendor.key}.{key}"} & set(wanted):
                continue
            for text in _differences(vendor, key):
                differing += 1
                print(text)  # noqa: T201 - that is what it is for
    return 1 if differing else 0


def _differences(vendor: Vendor, key: str) -> Iterator[str]:
    from integrations.errors import DefinitionInvalid
    from tests.integrations.vendors.recorded import first_sample, read_samples, sent

    preset = vendor.presets[key]
    samples = read_samples(vendor.key).get(key, [])
    for sample in samples or [first_sample(vendor, preset)]:
        try:
            request = sent(vendor, preset, sample)
        except DefinitionInvalid as problem:
            yield f"# {vendor.key}.{key}: {problem}"
            continue
        if request != sample.request:
            word = "differs from" if samples else "is not in"
            yield f"# {vendor.key}.{key} {word} recorded.yaml"
            yield _as_yaml({key: [_filled(replace(sample, request=request))]})


def _filled(sample: Any) -> dict[str, Any]:
    return {name: part for name, part in asdict(sample).items() if part}


def _as_yaml(tree: Any) -> str:
    written: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    return written


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
