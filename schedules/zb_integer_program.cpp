#include "schedules/zb_integer_program.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "core/error.hpp"
#include "schedules/cbc_library.hpp"

namespace orrery::schedules {
namespace {

constexpr int kForward = 0, kBackward = 1, kWeight = 2;
constexpr std::array kKinds = {ActionKind::forward, ActionKind::backward_input, ActionKind::backward_weight};
constexpr double kRelativeGain = 1e-7;  ///< a span must be that much shorter to count

class IntegerProgram {
  public:
    IntegerProgram(const CbcLibrary& cbc, const ZeroBubbleProblem& problem, const ZeroBubbleOrder& start,
                   double seconds)
        : cbc_(cbc),
          problem_(problem),
          p_(problem.devices),
          m_(problem.micro_batches),
          model_(cbc.new_model(), cbc.delete_model) {
        cbc_.set_log_level(model_.get(), 0);
        cbc_.set_parameter(model_.get(), "log", "0");
        cbc_.set_maximum_seconds(model_.get(), seconds);
        // No action of a better schedule ends later than this.
        horizon_ = start.longest_span + p_ * (problem.communication + longest_forward());
        add_variables(start.longest_span);
        add_dependencies();
        for (int stage = 0; stage < p_; ++stage) {
            add_order(stage);
            add_memory(stage);
        }
    }

    /// True where the optimum, or that nothing beats the start, is proven.
    bool solve() {
        cbc_.solve(model_.get());
        found_ = cbc_.is_proven_infeasible(model_.get()) == 0 && cbc_.saved_solutions(model_.get()) > 0;
        return cbc_.is_proven_optimal(model_.get()) != 0 || cbc_.is_proven_infeasible(model_.get()) != 0;
    }
    bool found() const { return found_; }

    std::vector<std::vector<Action>> orders() const {
        const double* const values = cbc_.solution(model_.get());
        std::vector<std::vector<Action>> orders(static_cast<std::size_t>(p_));
        for (int stage = 0; stage < p_; ++stage) {
            std::vector<std::pair<double, Action>> timed;
            for (int kind = 0; kind < 3; ++kind)
                for (int k = 0; k < m_; ++k)
                    timed.push_back(
                        {values[end(stage, kind, k)] - time(stage, kind) / 2, {kKinds[kind], k, stage}});
            std::stable_sort(timed.begin(), timed.end(),
                             [](const auto& a, const auto& b) { return a.first < b.first; });
            for (const auto& [middle, action] : timed) orders[stage].push_back(action);
        }
        return orders;
    }

  private:
    struct Term {
        int column = 0;
        double factor = 0;
    };

    double longest_forward() const {
        return *std::max_element(problem_.forward.begin(), problem_.forward.end());
    }
    double time(int stage, int kind) const {
        return kind == kForward    ? problem_.forward[stage]
               : kind == kBackward ? problem_.backward_input[stage]
                                   : problem_.backward_weight[stage];
    }
    int column(double low, double high, double cost, bool integer) {
        cbc_.add_column(model_.get(), "", low, high, cost, integer ? 1 : 0, 0, nullptr, nullptr);
        return columns_++;
    }
    void row(const std::vector<Term>& terms, char sense, double right) {
        std::vector<int> columns;
        std::vector<double> factors;
        for (const Term& term : terms) {
            columns.push_back(term.column);
            factors.push_back(term.factor);
        }
        cbc_.add_row(model_.get(), "", static_cast<int>(terms.size()), columns.data(), factors.data(), sense,
                     right);
    }
    int end(int stage, int kind, int k) const { return (stage * 3 + kind) * m_ + k; }

    void add_variables(double span) {
        double first = 0;  // every stage's first forward runs as soon as it can
        for (int stage = 0; stage < p_; ++stage) {
            first += problem_.forward[stage] + (stage > 0 ? problem_.communication : 0);
            for (int kind = 0; kind < 3; ++kind)
                for (int k = 0; k < m_; ++k) {
                    const bool fixed = kind == kForward && k == 0;
                    column(fixed ? first : time(stage, kind), fixed ? first : horizon_, 0, false);
                }
        }
        span_ = column(0, span * (1 - kRelativeGain), 1, false);
    }

    /// `later` ends at least `apart` after `earlier`.
    void after(int later, int earlier, double apart) { row({{later, 1}, {earlier, -1}}, 'G', apart); }

    void add_dependencies() {
        const double c = problem_.communication;
        for (int stage = 0; stage < p_; ++stage)
            for (int k = 0; k < m_; ++k) {
                if (stage > 0)
                    after(end(stage, kForward, k), end(stage - 1, kForward, k), c + time(stage, kForward));
                if (stage + 1 < p_)
                    after(end(stage, kBackward, k), end(stage + 1, kBackward, k), c + time(stage, kBackward));
                after(end(stage, kBackward, k), end(stage, kForward, k), time(stage, kBackward));
                after(end(stage, kWeight, k), end(stage, kBackward, k), time(stage, kWeight));
                for (int kind = 0; k > 0 && kind < 3; ++kind)
                    after(end(stage, kind, k), end(stage, kind, k - 1), time(stage, kind));
            }
        for (int stage = 0; stage < p_; ++stage)  // span >= last end - first start
            row({{span_, 1}, {end(stage, kWeight, m_ - 1), -1}, {end(stage, kForward, 0), 1}}, 'G',
                time(stage, kForward));
    }

    /// Either the first action or the second one comes first; columns are 1 where the first does. What
    /// dependencies settle needs none.
    void add_order(int stage) {
        before_forward_.assign(2, std::vector<int>(static_cast<std::size_t>(m_) * m_, -1));
        for (int kind : {kBackward, kWeight})
            for (int i = 0; i < m_; ++i)
                for (int k = i + 1; k < m_; ++k)  // B or W of i before F of k?
                    before_forward_[kind - 1][i * m_ + k] = either(stage, kind, i, kForward, k);
        for (int i = 0; i < m_; ++i)
            for (int k = i + 1; k < m_; ++k) either(stage, kWeight, i, kBackward, k);
    }
    int either(int stage, int kind_a, int a, int kind_b, int b) {
        const int first = column(0, 1, 0, true);
        const int end_a = end(stage, kind_a, a);
        const int end_b = end(stage, kind_b, b);
        // a first: end_b >= end_a + time_b; b first: end_a >= end_b + time_a.
        row({{end_b, 1}, {end_a, -1}, {first, -horizon_}}, 'G', time(stage, kind_b) - horizon_);
        row({{end_a, 1}, {end_b, -1}, {first, horizon_}}, 'G', time(stage, kind_a));
        return first;
    }

    void add_memory(int stage) {
        for (int k = 0; k < m_; ++k) {
            std::vector<Term> terms;
            for (int i = 0; i < k; ++i) {
                terms.push_back({before_forward_[0][i * m_ + k], problem_.memory_backward[stage]});
                terms.push_back({before_forward_[1][i * m_ + k], problem_.memory_weight[stage]});
            }
            const double room =
                problem_.memory_limit[stage] * (1 + 1e-9) - (k + 1) * problem_.memory_forward[stage];
            if (terms.empty()) continue;
            row(terms, 'L', room);
        }
    }

    const CbcLibrary& cbc_;
    const ZeroBubbleProblem& problem_;
    int p_, m_;
    std::unique_ptr<Cbc_Model, decltype(&Cbc_deleteModel)> model_;
    double horizon_ = 0;
    int columns_ = 0;
    int span_ = 0;
    std::vector<std::vector<int>> before_forward_;  ///< [B or W][i * m + k], of the stage at hand
    bool found_ = false;
};

}  // namespace

bool have_integer_programs() {
    return cbc_library() != nullptr;
}

IntegerProgramResult zero_bubble_integer_program(const ZeroBubbleProblem& problem, ZeroBubbleOrder start,
                                                 double seconds) {
    const CbcLibrary* const cbc = cbc_library();
    if (cbc == nullptr)
        throw MissingCapability(
            "zb-auto's variant ilp needs COIN-OR's CBC (Debian: coinor-libcbc3), which cannot be loaded "
            "here");
    IntegerProgram program(*cbc, problem, start, seconds);
    IntegerProgramResult result{std::move(start), program.solve()};
    if (!program.found()) return result;
    ZeroBubbleOrder better{program.orders(), 0};
    better.longest_span = longest_span(problem, better.orders);
    if (better.longest_span < result.best.longest_span) result.best = std::move(better);
    return result;
}

}  // namespace orrery::schedules
