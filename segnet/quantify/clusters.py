"""Clusters of particles (DBSCAN) and distances to the nearest neighbour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segnet.config.quantification import ClusterConfig


@dataclass(frozen=True)
class Clustering:
    """Clusters of one class in one tomogram.

    Attributes
    ----------
    cluster
        (n,) cluster of each particle, 1, 2, …; 0 for none.
    nearest_nm
        (n,) distance to the nearest particle; NaN where there is no other.
    nearest_in_cluster_nm
        (n,) distance to the nearest particle of the same cluster; NaN outside clusters.
    """

    cluster: NDArray[np.int64]
    nearest_nm: NDArray[np.float64]
    nearest_in_cluster_nm: NDArray[np.float64]


def cluster_particles(centres_nm: NDArray[np.float64], config: ClusterConfig) -> Clustering:
    """Cluster particle centres (n, 3), nm."""
    from sklearn.cluster import DBSCAN

    count = len(centres_nm)
    cluster = np.zeros(count, np.int64)
    if count:
        model = DBSCAN(eps=config.radius_nm, min_samples=config.minimum_neighbours)
        cluster = model.fit_predict(centres_nm).astype(np.int64) + 1
    within = np.full(count, np.nan)
    for number in np.unique(cluster[cluster > 0]):
        members = cluster == number
        within[members] = nearest_distances(centres_nm[members])
    return Clustering(cluster, nearest_distances(centres_nm), within)


def nearest_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point to its nearest neighbour; NaN for a point alone."""
    if len(points) < 2:
        return np.full(len(points), np.nan)
    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1])
