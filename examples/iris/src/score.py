"""Tells irises apart.

Asked with `{"data": [[sepal length, sepal width, petal length, petal width], ...]}`.
"""

import json
import os
from pathlib import Path

import joblib

SPECIES = ("setosa", "versicolor", "virginica")


def init():
    """Load the model; called once, when the instance starts."""
    global model
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).glob("*.joblib")
    model = joblib.load(path)
    print(f"loaded {type(model).__name__} from {path.name}")


def run(raw_data):
    """Answer one request; called with its body."""
    rows = json.loads(raw_data)["data"]
    labels = model.predict(rows)
    return {"species": [SPECIES[label] for label in labels], "model": type(model).__name__}
