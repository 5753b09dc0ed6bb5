//! Text <-> model, one file or folder per language.
