"""What runs inside a Ray worker; it imports no MLflow. Imports `store` and below."""
