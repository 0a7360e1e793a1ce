"""Cells as modules: layers, skeletons of the benchmarks, networks of any labelled DAG."""
