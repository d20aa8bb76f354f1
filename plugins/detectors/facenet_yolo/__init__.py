"""Detector plugin `yolo`."""
