// study/sweep/expressions.hpp
//
// The expressions of a study (`where:`, `objective:`, `define:`) and of `orrery query`: SQL expressions of
// SQLite over the columns of a point, so that a condition tried in a query can be pasted into a study and the
// other way round.
//
// A column "parallel.tp" is written parallel.tp, or tp where no other group has a column of that name;
// "step_time_s" has no group. A column of three parts ("training.recompute.layers") is written with its last
// two.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "study/sweep/columns.hpp"

namespace orrery::study {

/// An expression as it was written, and where.
struct Expression {
    std::string text;
    Location where;
    std::string key;  ///< "where", "objective.minimize": for messages
};

/// A column's group and name as expressions write it: {"parallel", "tp"}; the group of one without is empty.
struct ColumnName {
    std::string group;
    std::string name;
};
ColumnName split_column(std::string_view column);
/// The expression that gives the column: "parallel"."tp".
std::string expression_of(std::string_view column);

/// The FROM clause under which expressions see these columns: one subquery a group. `cell(i)` is the SQL text
/// that gives column i.
template <class Cell>
std::string from_clause(const Columns& columns, const std::string& per_group_suffix, Cell cell);

/// Expressions over the same columns, compiled once. Used by one thread at a time.
class Expressions {
  public:
    /// Throws InputError at the expression: an unknown column (with the nearest one), no SQL.
    Expressions(const Columns& columns, const std::vector<Expression>& expressions);

    /// The value of each expression for a point whose cells are `values` (as many as the columns). Throws
    /// InputError at the first expression when SQLite cannot compute it, or takes longer than a second or so.
    Values operator()(const Values& values);

    /// Whether the expression can be computed from these columns alone.
    static bool needs_only(const Columns& columns, const Expression& expression);

  private:
    sqlite::Database database_;
    std::vector<Expression> expressions_;
    std::vector<sqlite::Statement> statement_;  ///< one, or none without expressions
};

/// SQL's truth: a number other than 0. Texts and NULL are false.
bool is_true(const sqlite::Value& value);

/// The InputError of an expression that SQLite refused: names the nearest column where one is unknown.
InputError refused(const Expression& expression, const std::string& message, const Columns& columns);

// ---- implementation ----

std::vector<std::string> groups_of(const Columns& columns);

template <class Cell>
std::string from_clause(const Columns& columns, const std::string& per_group_suffix, Cell cell) {
    std::string text;
    for (const std::string& group : groups_of(columns)) {
        std::string inner;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const ColumnName column = split_column(columns[i]);
            if (column.group != group) continue;
            inner += (inner.empty() ? "" : ", ") + cell(i) + " AS " + sqlite::quoted(column.name);
        }
        text += text.empty() ? "" : " CROSS JOIN ";
        text += "(SELECT " + inner + per_group_suffix + ") AS " +
                sqlite::quoted(group.empty() ? "result" : group);
    }
    return text;
}

}  // namespace orrery::study
