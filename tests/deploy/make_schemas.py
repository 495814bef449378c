#!/usr/bin/python3
"""Makes the schemas that kubeconform judges by, from Kubernetes' own description of its types.

    tests/deploy/make_schemas.py CLIENT_GO_FOLDER SWAGGER.json

CLIENT_GO_FOLDER is the Go module k8s.io/client-go, whose applyconfigurations hold the type of every
built-in object; SWAGGER.json is testdata/openapi/swagger.json of the Go module k8s.io/kubectl, the
only one of the two that describes CustomResourceDefinitions. Both are under the Apache License 2.0.
Each schema holds what its kind reaches, without descriptions, refuses unknown fields, and is named
as kubeconform looks for it. What is required is not in the source and stands below. The kinds of
the Prometheus operator (schemas/*-monitoring-v1.json) are written by hand: the fields we use.
"""

import json
import pathlib
import sys

import yaml

KINDS = {
    "clusterrole-rbac-v1": "io.k8s.api.rbac.v1.ClusterRole",
    "clusterrolebinding-rbac-v1": "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "configmap-v1": "io.k8s.api.core.v1.ConfigMap",
    "deployment-apps-v1": "io.k8s.api.apps.v1.Deployment",
    "namespace-v1": "io.k8s.api.core.v1.Namespace",
    "networkpolicy-networking-v1": "io.k8s.api.networking.v1.NetworkPolicy",
    "pod-v1": "io.k8s.api.core.v1.Pod",
    "poddisruptionbudget-policy-v1": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "role-rbac-v1": "io.k8s.api.rbac.v1.Role",
    "rolebinding-rbac-v1": "io.k8s.api.rbac.v1.RoleBinding",
    "service-v1": "io.k8s.api.core.v1.Service",
    "serviceaccount-v1": "io.k8s.api.core.v1.ServiceAccount",
}
CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
REQUIRED = {
    "io.k8s.api.apps.v1.DeploymentSpec": ["selector", "template"],
    "io.k8s.api.core.v1.Container": ["image", "name"],
    "io.k8s.api.core.v1.ContainerPort": ["containerPort"],
    "io.k8s.api.core.v1.EnvVar": ["name"],
    "io.k8s.api.core.v1.HTTPGetAction": ["port"],
    "io.k8s.api.core.v1.PodSpec": ["containers"],
    "io.k8s.api.core.v1.ServicePort": ["port"],
    "io.k8s.api.core.v1.TopologySpreadConstraint": ["maxSkew", "topologyKey", "whenUnsatisfiable"],
    "io.k8s.api.core.v1.Volume": ["name"],
    "io.k8s.api.core.v1.VolumeMount": ["mountPath", "name"],
    "io.k8s.api.networking.v1.NetworkPolicySpec": ["podSelector"],
    "io.k8s.api.rbac.v1.ClusterRoleBinding": ["roleRef"],
    "io.k8s.api.rbac.v1.PolicyRule": ["verbs"],
    "io.k8s.api.rbac.v1.RoleBinding": ["roleRef"],
    "io.k8s.api.rbac.v1.RoleRef": ["apiGroup", "kind", "name"],
    "io.k8s.api.rbac.v1.Subject": ["kind", "name"],
}
# Since Kubernetes 1.30; the swagger file is older.
SELECTABLE_FIELDS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["jsonPath"],
        "properties": {"jsonPath": {"type": "string"}},
        "additionalProperties": False,
    },
}
# Since Kubernetes 1.25, the same.
VALIDATIONS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["rule"],
        "properties": {
            "rule": {"type": "string"},
            "message": {"type": "string"},
            "messageExpression": {"type": "string"},
            "reason": {"type": "string"},
            "fieldPath": {"type": "string"},
            "optionalOldSelf": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
}
SCALARS = {"string": "string", "numeric": "number", "boolean": "boolean"}


def converted(node, needed):
    """A type of client-go's description as a JSON schema; what it names is added to `needed`."""
    if "namedType" in node:
        needed.add(node["namedType"])
        return {"$ref": f"#/definitions/{node['namedType']}"}
    if node.get("scalar") == "untyped":
        return {}
    if "scalar" in node:
        return {"type": SCALARS[node["scalar"]]}
    if "list" in node:
        return {"type": "array", "items": converted(node["list"]["elementType"], needed)}
    if "fields" not in node["map"]:
        return {
            "type": "object",
            "additionalProperties": converted(node["map"]["elementType"], needed),
        }
    fields = {f["name"]: converted(f["type"], needed) for f in node["map"]["fields"]}
    return {"type": "object", "properties": fields, "additionalProperties": False}


def standalone(root, types):
    """The schema of one kind with every definition it reaches."""
    wanted, done = {root}, {}
    while wanted - set(done):
        for name in sorted(wanted - set(done)):
            done[name] = converted(types[name], wanted)
            if name in REQUIRED:
                done[name]["required"] = REQUIRED[name]
    schema = done.pop(root)
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
    return {**schema, "definitions": done}


def reduced(schema, needed):
    """An OpenAPI v2 schema without descriptions."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        needed.add(name)
        return {"$ref": f"#/definitions/{name}"}
    out = {key: schema[key] for key in ("type", "required") if key in schema}
    if "properties" in schema:
        out["properties"] = {k: reduced(v, needed) for k, v in schema["properties"].items()}
        out["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = reduced(schema["additionalProperties"], needed)
    if "items" in schema:
        out["items"] = reduced(schema["items"], needed)
    return out


def custom_resource_definition(definitions):
    wanted, done = {CRD + "CustomResourceDefinition"}, {}
    while wanted - set(done):
        for name in sorted(wanted - set(done)):
            done[name] = reduced(definitions[name], wanted)
            # Written as a boolean, an array, a list of names or any value at all.
            if name.endswith(("OrBool", "OrArray", "OrStringArray", ".JSON")):
                done[name] = {}
    done[CRD + "CustomResourceDefinitionVersion"]["properties"]["selectableFields"] = (
        SELECTABLE_FIELDS
    )
    properties = done[CRD + "JSONSchemaProps"]["properties"]
    properties["x-kubernetes-validations"] = VALIDATIONS
    properties.pop("$ref", None)
    return {**done.pop(CRD + "CustomResourceDefinition"), "definitions": done}


def main(client_go, swagger):
    folder = pathlib.Path(__file__).resolve().parent / "schemas"
    source = (pathlib.Path(client_go) / "applyconfigurations/internal/internal.go").read_text()
    listed = yaml.load(source.split("`")[1], Loader=yaml.CSafeLoader)["types"]
    types = {t["name"]: t for t in listed}
    schemas = {file: standalone(name, types) for file, name in KINDS.items()}
    definitions = json.loads(pathlib.Path(swagger).read_text())["definitions"]
    schemas["customresourcedefinition-apiextensions-v1"] = custom_resource_definition(definitions)
    for file, schema in schemas.items():
        text = json.dumps(schema, separators=(",", ":"), sort_keys=True)
        (folder / f"{file}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
