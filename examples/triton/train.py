"""Trains a model on the iris data that scikit-learn brings, and stores it as ONNX in `models/`."""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

MODEL = Path(__file__).parent / "models" / "iris" / "1" / "model.onnx"


def main():
    flowers = load_iris()
    train_x, test_x, train_y, test_y = train_test_split(
        flowers.data.astype(np.float32), flowers.target, test_size=0.3, random_state=0,
        stratify=flowers.target,
    )  # fmt: skip
    model = LogisticRegression(max_iter=1000).fit(train_x, train_y)
    onnx = to_onnx(model, train_x[:1], options={"zipmap": False})
    MODEL.write_bytes(onnx.SerializeToString())
    print(f"iris: {model.score(test_x, test_y):.0%} of the flowers it had not seen")


if __name__ == "__main__":
    main()
