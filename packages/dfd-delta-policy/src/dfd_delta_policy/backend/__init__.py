"""The backends that read and write data files: dfd-native where it is installed, else pyarrow and deltalake."""
