// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/dataplane/kong/config_view.hpp"
#include "gateway/dataplane/kong/parts.hpp"

// One function for each plugin that is served.
namespace fairlead::kong {

void convert_key_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out);
void convert_basic_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out);
void convert_jwt(Notes& notes, ConfigView& config, const File& file, PluginParts& out);
void convert_hmac_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out);
void convert_acl(Notes& notes, ConfigView& config, const File& file, PluginParts& out);
void convert_ip_restriction(Notes& notes, ConfigView& config, PluginParts& out);
void convert_bot_detection(Notes& notes, ConfigView& config, PluginParts& out);

void convert_cors(Notes& notes, ConfigView& config, PluginParts& out);
void convert_correlation_id(Notes& notes, ConfigView& config, const Plugin& plugin, PluginParts& out);
void convert_rate_limiting(Notes& notes, ConfigView& config, const std::string& name, PluginParts& out);
void convert_response_limits(Notes& notes, ConfigView& config, const std::string& name, PluginParts& out);
/// Of a limit's periods, from the smallest on: none may let through less than one before it.
void check_periods(Notes& notes, ConfigView& limits);
void convert_limit_store(Notes& notes, ConfigView& config, const std::string& name, Json& section, PluginParts& out);
void convert_opentelemetry(Notes& notes, ConfigView& config, const Plugin& plugin, PluginParts& out);
void convert_prometheus(Notes& notes, ConfigView& config, PluginParts& out);
void convert_proxy_cache(Notes& notes, ConfigView& config, PluginParts& out);
void convert_file_log(Notes& notes, ConfigView& config, PluginParts& out);
void convert_http_log(Notes& notes, ConfigView& config, PluginParts& out);
void convert_statsd(Notes& notes, ConfigView& config, PluginParts& out);
void convert_datadog(Notes& notes, ConfigView& config, PluginParts& out);
void convert_redirect(Notes& notes, ConfigView& config, PluginParts& out);
void convert_request_size(Notes& notes, ConfigView& config, PluginParts& out);
void convert_request_termination(Notes& notes, ConfigView& config, PluginParts& out);
void convert_request_transformer(Notes& notes, ConfigView& config, PluginParts& out);
void convert_response_transformer(Notes& notes, ConfigView& config, PluginParts& out);

}  // namespace fairlead::kong
