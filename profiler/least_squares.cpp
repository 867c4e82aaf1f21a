#include "profiler/least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::profiler {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd jacobian(const LeastSquares& problem, const VectorXd& at, const VectorXd& residuals) {
    constexpr double kStep = 1e-4;
    MatrixXd out(residuals.size(), at.size());
    for (Eigen::Index j = 0; j < at.size(); ++j) {
        VectorXd moved = at;
        moved[j] += kStep;
        out.col(j) = (problem.residuals(moved) - residuals) / kStep;
    }
    return out;
}

VectorXd huber_weights(const VectorXd& residuals, double threshold) {
    return residuals.unaryExpr(
        [threshold](double r) { return std::min(1.0, threshold / std::max(std::abs(r), 1e-300)); });
}

VectorXd levenberg_marquardt(const LeastSquares& problem, VectorXd at) {
    double damping = 1e-2;
    VectorXd residuals = problem.residuals(at);
    double loss = huber_loss(residuals, problem.huber);
    for (int i = 0; i < problem.iterations && damping < 1e8; ++i) {
        const MatrixXd j = jacobian(problem, at, residuals);
        const VectorXd weights = huber_weights(residuals, problem.huber);
        const MatrixXd normal = j.transpose() * weights.asDiagonal() * j;
        const VectorXd gradient = j.transpose() * weights.cwiseProduct(residuals);
        MatrixXd damped = normal;
        damped.diagonal() += damping * (normal.diagonal().array() + 1e-9).matrix();
        const VectorXd moved = at - damped.ldlt().solve(gradient);
        const VectorXd there = problem.residuals(moved);
        const double moved_loss = huber_loss(there, problem.huber);
        if (std::isfinite(moved_loss) && moved_loss < loss) {
            const bool converged = loss - moved_loss < 1e-10 * loss;
            at = moved;
            residuals = there;
            loss = moved_loss;
            damping = std::max(damping / 3, 1e-9);
            if (converged) break;
        } else {
            damping *= 4;
        }
    }
    return at;
}

VectorXd coordinate_search(const LeastSquares& problem, VectorXd at) {
    double loss = huber_loss(problem.residuals(at), problem.huber);
    double step = problem.first_step;
    for (int sweep = 0; sweep < problem.sweeps; ++sweep) {
        bool improved = false;
        for (Eigen::Index j = 0; j < at.size(); ++j) {
            for (const double direction : {1.0, -1.0}) {
                VectorXd moved = at;
                moved[j] += direction * step;
                const double there = huber_loss(problem.residuals(moved), problem.huber);
                if (!(there < loss)) continue;
                at = moved;
                loss = there;
                improved = true;
                break;
            }
        }
        if (!improved) step /= 2;
    }
    return at;
}

}  // namespace

double huber_loss(const Eigen::VectorXd& residuals, double threshold) {
    double sum = 0;
    for (const double r : residuals) {
        const double a = std::abs(r);
        sum += a <= threshold ? 0.5 * r * r : threshold * (a - 0.5 * threshold);
    }
    return sum;
}

Eigen::VectorXd minimize(const LeastSquares& problem) {
    VectorXd at = levenberg_marquardt(problem, problem.start);
    at = coordinate_search(problem, at);
    return levenberg_marquardt(problem, at);
}

}  // namespace orrery::profiler
