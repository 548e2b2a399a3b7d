"""What pyproject.toml cannot say: the demo is data of a package, and lies in assets/demo."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["core*", "app*"]), "core.demo.bundled"],
    package_dir={"core.demo.bundled": "assets/demo"},
)
