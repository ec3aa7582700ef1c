"""Translates a SAM template into plain CloudFormation, as JSON.

    translate.py TEMPLATE OUTPUT BUCKET

What CloudFormation does with `Transform: AWS::Serverless-2016-10-31`, without AWS: no network, no
account. Local code becomes an object of BUCKET, which `sam package` would upload: a function's is
named after its binary, `s3://BUCKET/worker.zip`, a layer's after its folder, `s3://BUCKET/plans.zip`.
"""

import json
import os
import sys
from pathlib import Path

# The translator asks boto3 which Region it is in.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import yaml
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`, `!Sub`, …)."""


def short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if name == "Fn::GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


class NoManagedPolicies(ManagedPolicyLoader):
    """The templates name no managed policy, so there is nothing to ask IAM for."""

    def __init__(self):
        super().__init__(None)

    def load(self):
        return {}


def place_code(template, bucket):
    """Replaces local code by the objects that a deployment uploads."""
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == FUNCTION and "InlineCode" not in properties:
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            properties["CodeUri"] = f"s3://{bucket}/{binary}.zip"
        elif resource["Type"] == LAYER:
            folder = Path(properties["ContentUri"]).name
            properties["ContentUri"] = f"s3://{bucket}/{folder}.zip"


def main():
    source, output, bucket = sys.argv[1:]
    template = yaml.load(Path(source).read_text(), Loader)
    place_code(template, bucket)
    parameters = {
        name: value["Default"]
        for name, value in template.get("Parameters", {}).items()
        if "Default" in value
    }
    try:
        translated = transform(template, parameters, NoManagedPolicies())
    except InvalidDocumentException as error:
        sys.exit(f"{source}: {error.message}\n" + "\n".join(str(cause) for cause in error.causes))
    Path(output).write_text(json.dumps(translated, indent=1) + "\n")


if __name__ == "__main__":
    main()
