// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values of any form in YAML, as JSON, and templates, held to what a template is.

#include <string>

#include "fairlead/change/template.hpp"
#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {

/// YAML as JSON text: plain scalars that YAML takes for numbers, booleans or null are these, others are strings. With
/// `templates`, strings are templates: a string that is one value becomes that value, whatever its type.
void append_json_value(Reader& reader, View at, bool templates, std::string& out);
/// The same; an error where it is no JSON template.
void read_json_template(Reader& reader, View at, std::string& out);
/// A template for that place.
void read_template(Reader& reader, View at, change::Place place, std::string& out);
void read_json_path(Reader& reader, View at, std::string& out);
/// A template refers to `source`, which is not there where it is used.
void refuse_source(Reader& reader, View at, const std::string& text, change::Source source, std::string_view why);

/// Lists of {name, value}: headers, whose names are put in lower case and may not be protected ones, or parameters.
void read_named_templates(Reader& reader, View at, bool headers, std::vector<std::pair<std::string, std::string>>& out);
/// A header that filters may set.
void read_free_header_name(Reader& reader, View at, std::string& out);
void read_method(Reader& reader, View at, std::string& out);

}  // namespace fairlead::config
