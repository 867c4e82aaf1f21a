// profiler/least_squares.hpp
//
// Robust nonlinear least squares for small models: Levenberg-Marquardt (Marquardt 1963) on Huber-weighted
// residuals (iteratively reweighted), with a forward-difference Jacobian, followed by a coordinate search
// that steps over the corners (ceilings, minima) where derivatives mislead. Deterministic.
#pragma once

#include <Eigen/Dense>
#include <functional>

namespace orrery::profiler {

struct LeastSquares {
    /// Residuals at the parameters; always of the same length.
    std::function<Eigen::VectorXd(const Eigen::VectorXd&)> residuals;
    Eigen::VectorXd start;
    double huber = 0.05;      ///< residuals beyond this weigh linearly
    int iterations = 60;      ///< of Levenberg-Marquardt
    int sweeps = 12;          ///< of the coordinate search
    double first_step = 0.1;  ///< of the coordinate search, in units of the parameters
};

/// The parameters at the least robust loss found, never worse than the start.
Eigen::VectorXd minimize(const LeastSquares& problem);

/// Sum of Huber losses.
double huber_loss(const Eigen::VectorXd& residuals, double threshold);

}  // namespace orrery::profiler
