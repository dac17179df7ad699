"""dspex inside other people's programs: DSPy's interpreter and an MCP server. Each is an extra."""
