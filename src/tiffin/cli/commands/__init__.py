"""The commands as they are typed, with their help. Each command's work is a module beside this folder."""
