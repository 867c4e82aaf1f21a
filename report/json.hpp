// report/json.hpp
//
// Results as JSON: the interface of result.json, `--json` and `validate --json`. Schemas:
// docs/result.schema.json, docs/validation.schema.json. Keys keep the order written here; numbers are printed
// with the fewest digits that read back as the same double, so that equal results give equal bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "report/result.hpp"
#include "report/study_summary.hpp"
#include "report/validation.hpp"

namespace orrery::report {

using Json = nlohmann::ordered_json;

Json to_json(const Result& result);

/// {"results": [...]}, in the order given.
Json to_json(std::span<const Result> results);

Json to_json(const Validation& validation);

/// study.json of `orrery sweep` (docs/study-result.schema.json).
Json to_json(const StudySummary& summary);

/// The text of a file: indented by two, ends with a line break. Bytes that are not UTF-8 are replaced,
/// numbers that are not finite become null (and so fail the schema).
std::string to_text(const Json& json);

/// One line, for embedding into <script type="application/json">: "<", ">", "&" and the line separators
/// U+2028 and U+2029 are escaped, so that no string can end the element or the line.
std::string to_script_text(const Json& json);

}  // namespace orrery::report
