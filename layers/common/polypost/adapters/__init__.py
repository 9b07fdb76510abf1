"""AWS services behind the project's own words. boto3 and botocore are named here and nowhere else."""
