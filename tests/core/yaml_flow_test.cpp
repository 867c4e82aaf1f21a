#include "core/yaml_flow.hpp"

#include <gtest/gtest.h>

namespace orrery::yaml {
namespace {

bool same(const Node& a, const Node& b) {
    if (a.kind != b.kind || a.text != b.text || a.key != b.key || a.children.size() != b.children.size())
        return false;
    for (std::size_t i = 0; i < a.children.size(); ++i) {
        if (!same(a.children[i], b.children[i])) return false;
    }
    return true;
}

TEST(FlowText, ReadsBackAsTheSameTree) {
    for (const char* text :
         {"a: 1\nb: [x, {c: 3}, ~]\nd: {}\n", "- \"a: b, c\"\n- '#no comment'\n- \"\\\\ \\\" \\n tab\\t\"\n",
          "\"null\"", "key with space: [a-b, -1, '- x', '', '1']\n", "[]"}) {
        const Node tree = parse(text, "t");
        const std::string flow = flow_text(tree);
        EXPECT_TRUE(same(parse(flow, "flow"), tree)) << flow;
        EXPECT_EQ(flow_text(parse(flow, "flow")), flow);
        EXPECT_EQ(flow.find('\n'), std::string::npos);
    }
}

TEST(FlowText, TellsATextFromANumber) {
    EXPECT_NE(flow_text(parse("a: \"1\"", "t")), flow_text(parse("a: 1", "t")));
}

}  // namespace
}  // namespace orrery::yaml
