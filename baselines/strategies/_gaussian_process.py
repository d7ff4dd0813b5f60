"""Exact Gaussian process regression (Rasmussen & Williams, MIT Press 2006, algorithm 2.1), from kernel matrices.

What a kernel is made of is the strategies' business; here a matrix comes in. Predictions are batched over candidates, a new
observation extends the Cholesky factor instead of computing it anew, and the marginal likelihood comes with its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Floats = NDArray[np.float64]
LOG_TWO_PI = math.log(2.0 * math.pi)
LARGEST_JITTER = 1e-2  # of the mean variance; a matrix that needs more is no covariance


@dataclass(frozen=True)
class Posterior:
    """What the observations say.

    Attributes:
        factor: shape (n, n), lower Cholesky factor of the kernel matrix plus noise.
        targets: shape (n,), observed values minus the prior mean.
        weights: shape (n,), inverse matrix times targets.
    """

    factor: Floats
    targets: Floats
    weights: Floats


def cholesky(matrix: Floats) -> tuple[Floats, float]:
    """Return the lower Cholesky factor of a covariance matrix and the jitter that its diagonal needed.

    A matrix that rounding, or a kernel that is no kernel, leaves indefinite gets a multiple of the mean variance added to
    its diagonal: none, 1e-10, 1e-9, ... of it.

    Raises:
        numpy.linalg.LinAlgError: not even `LARGEST_JITTER` helps.
    """
    # LAPACK itself: for matrices of this size SciPy's own checks take longer than the work.
    factor, failed = linalg.lapack.dpotrf(matrix, lower=1, clean=1)
    if not failed:
        return factor, 0.0
    scale = float(np.mean(np.diag(matrix)))
    jitter = 1e-10 * scale
    while jitter <= LARGEST_JITTER * scale:
        factor, failed = linalg.lapack.dpotrf(matrix + jitter * np.eye(len(matrix)), lower=1, clean=1)
        if not failed:
            return factor, jitter
        jitter *= 10.0
    raise np.linalg.LinAlgError(
        f"a matrix of {len(matrix)} rows is no covariance, even with {LARGEST_JITTER} of its scale added"
    )


def condition(kernel: Floats, noise: float, targets: Floats) -> Posterior:
    """Condition on observations.

    Args:
        kernel: shape (n, n), covariance of the function's values.
        noise: variance of the observations around them.
        targets: shape (n,), observed values minus the prior mean.
    """
    factor, _ = cholesky(kernel + noise * np.eye(len(kernel)))
    return Posterior(factor, targets, linalg.lapack.dpotrs(factor, targets, lower=1)[0])


def extend(posterior: Posterior, cross: Floats, variance: float, noise: float, targets: Floats) -> Posterior:
    """Condition on one more observation, by a new row of the Cholesky factor.

    Args:
        posterior: from n observations, with the same kernel and noise.
        cross: shape (n,), covariances with them.
        variance: prior variance of the new value.
        noise: variance of the observation around it.
        targets: shape (n + 1,), all observed values minus the prior mean, which may have changed.
    """
    row, _ = linalg.lapack.dtrtrs(posterior.factor, cross, lower=1)
    # Two equal points without noise would leave 0, and rounding less.
    corner = np.sqrt(max(variance + noise - float(row @ row), 1e-10 * (variance + noise)))
    count = len(row)
    factor = np.zeros((count + 1, count + 1))
    factor[:count, :count] = posterior.factor
    factor[count, :count] = row
    factor[count, count] = corner
    return Posterior(factor, targets, linalg.lapack.dpotrs(factor, targets, lower=1)[0])


def predict(posterior: Posterior, cross: Floats, variance: Floats | float) -> tuple[Floats, Floats]:
    """Return mean and variance of the function's values, not of observations, at candidates.

    Args:
        posterior: from n observations.
        cross: shape (m, n), covariances of candidates and observed points.
        variance: shape (m,) or one number, prior variance of the candidates.

    Returns:
        Each of shape (m,); the mean is relative to the prior mean; the variance is at least 0.
    """
    half, _ = linalg.lapack.dtrtrs(posterior.factor, cross.T, lower=1)  # (n, m)
    return cross @ posterior.weights, np.maximum(variance - np.einsum("nm,nm->m", half, half), 0.0)


def log_marginal_likelihood(
    kernel: Floats, noise: float, targets: Floats, slopes: Sequence[Floats] | Floats = ()
) -> tuple[float, Floats]:
    """Return the logarithm of the observations' probability density, and its gradient.

    Args:
        kernel: shape (n, n).
        noise: variance of the observations.
        targets: shape (n,), observed values minus the prior mean.
        slopes: derivatives of kernel plus noise by each hyperparameter, each of shape (n, n) and symmetric.

    Returns:
        The logarithm, and the gradient of shape (len(slopes),) (Rasmussen & Williams, equation 5.9).
    """
    value, by_kernel = likelihood_and_slope(kernel, noise, targets)
    whole = np.tril(by_kernel) + np.tril(by_kernel, -1).T
    return value, np.array([float(np.vdot(whole, slope)) for slope in slopes])


def likelihood_and_slope(kernel: Floats, noise: float, targets: Floats) -> tuple[float, Floats]:
    """Return the log marginal likelihood and its derivatives by the entries of the kernel matrix.

    Args:
        kernel: shape (n, n); only the lower triangle is read.
        noise: variance of the observations.
        targets: shape (n,), observed values minus the prior mean.

    Returns:
        The logarithm, and half of w w' minus the inverse matrix (Rasmussen & Williams, equation 5.9), shape (n, n), where w are
        the inverse times the targets; in the lower triangle alone, what is above it means nothing. The derivative by a
        hyperparameter is the sum of these times the derivatives of all n^2 entries, that by the noise variance the trace.
    """
    matrix = np.array(kernel, order="F")
    matrix.reshape(-1, order="A")[:: len(matrix) + 1] += noise
    factor, _ = cholesky(matrix)
    weights = linalg.lapack.dpotrs(factor, targets, lower=1)[0]
    value = -0.5 * targets @ weights - np.log(factor.diagonal()).sum() - 0.5 * len(targets) * LOG_TWO_PI
    inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    slope = np.multiply.outer(weights, 0.5 * weights)
    slope -= 0.5 * inverse
    return float(value), slope


def nearest_positive(matrix: Floats) -> tuple[Floats, Floats]:
    """Return the nearest symmetric matrix without negative eigenvalues, in the Frobenius norm (Higham 1988).

    Returns:
        That matrix, and the projector onto the eigenvectors that are kept, both of shape (n, n). Covariances with further
        points must be multiplied by it too (Chen et al., JMLR 10, 2009, section 4.1): where an eigenvalue was
        negative, the inverse holds nothing but the inverse of the noise, and what they have there would be blown up by it.
    """
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    kept = vectors[:, values > 0.0]
    return np.asarray((kept * values[values > 0.0]) @ kept.T), np.asarray(kept @ kept.T)


def projected_likelihood(kernel: Floats, noise: float, targets: Floats) -> tuple[float, Floats, float]:
    """Return the log marginal likelihood under `nearest_positive(kernel)`, and its derivatives.

    For kernels of distances that are no Hilbert space's, whose matrices may be indefinite.

    Args:
        kernel: shape (n, n), symmetric.
        noise: variance of the observations, above 0.
        targets: shape (n,), observed values minus the prior mean.

    Returns:
        The logarithm; its derivative by the entries of `kernel`, shape (n, n); its derivative by `noise`. The projection is a
        function of the eigenvalues, whose derivative is that of Daleckii & Krein (Higham, Functions of Matrices, 2008, theorem 3.11).
    """
    eigenvalues, vectors = np.linalg.eigh(kernel)
    clipped = np.maximum(eigenvalues, 0.0)
    inverse = 1.0 / (clipped + noise)
    along = vectors.T @ targets
    value = -0.5 * float(along**2 @ inverse - np.log(inverse).sum() + len(targets) * np.log(2.0 * np.pi))
    # Divided differences of max(x, 0): 1 between positive eigenvalues, 0 between negative ones, a share in between.
    gap = eigenvalues[:, None] - eigenvalues
    same = np.abs(gap) < 1e-12
    share = np.where(same, eigenvalues > 0, (clipped[:, None] - clipped) / np.where(same, 1.0, gap))
    scaled = along * inverse
    inner = np.multiply.outer(scaled, scaled) * share - np.diag(inverse * (eigenvalues > 0))
    by_noise = 0.5 * float(scaled @ scaled - inverse.sum())
    return value, 0.5 * vectors @ inner @ vectors.T, by_noise


def maximise_likelihood(
    value_and_gradient: Callable[[Floats], tuple[float, Floats]],
    starts: Sequence[Floats],
    bounds: Sequence[tuple[float, float]],
    iterations: int,
) -> Floats:
    """Return the hyperparameters of highest likelihood that L-BFGS-B finds (Byrd et al. 1995).

    Args:
        value_and_gradient: log marginal likelihood as a function of the hyperparameters, usually logarithms.
        starts: where to begin; the best end is returned.
        bounds: lowest and highest value of each.
        iterations: most iterations from each start.
    """

    def negative(point: Floats) -> tuple[float, Floats]:
        value, gradient = value_and_gradient(point)
        return -value, -gradient

    ends = [
        optimize.minimize(negative, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": iterations})
        for start in starts
    ]
    return np.asarray(min(ends, key=lambda end: float(end.fun)).x)
