"""The one thing that pyproject.toml can't say: all packages, and `assets/` as `medalign.assets` among them."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["medalign*"]), "medalign.assets"], package_dir={"medalign.assets": "assets"})
