"""Trains two models on the iris data that scikit-learn brings, into `models/` beside this file."""

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

MODELS = {
    "logistic": LogisticRegression(max_iter=1000),
    "forest": RandomForestClassifier(n_estimators=25, random_state=0),
}


def main():
    folder = Path(__file__).parent / "models"
    folder.mkdir(exist_ok=True)
    flowers = load_iris()
    train_x, test_x, train_y, test_y = train_test_split(
        flowers.data, flowers.target, test_size=0.3, random_state=0, stratify=flowers.target
    )
    for name, model in MODELS.items():
        model.fit(train_x, train_y)
        joblib.dump(model, folder / f"{name}.joblib")
        print(f"{name}: {model.score(test_x, test_y):.0%} of the flowers it had not seen")


if __name__ == "__main__":
    main()
